import com.sun.source.util.JavacTask;
import java.nio.file.Path;
import java.util.List;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** Parses Java files and prints what is no Java; names that cannot be resolved are not looked at. */
class Parse {
  public static void main(String[] files) throws Exception {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    try (StandardJavaFileManager manager = compiler.getStandardFileManager(found, null, null)) {
      for (String file : files) {
        var units = manager.getJavaFileObjects(Path.of(file));
        ((JavacTask) compiler.getTask(null, manager, found, List.of(), null, units)).parse();
      }
    }
    found.getDiagnostics().forEach(System.out::println);
    System.exit(found.getDiagnostics().isEmpty() ? 0 : 1);
  }
}
