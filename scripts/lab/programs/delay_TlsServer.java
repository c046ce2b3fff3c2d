import java.io.FileInputStream;
import java.io.IOException;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** A TLS server of the JDK that answers what is no TLS with an alert: java delay_TlsServer.java PORT KEYSTORE PASSWORD. */
class TlsServer {
    public static void main(String[] arguments) throws Exception {
        char[] password = arguments[2].toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(arguments[1]), password);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        var listener = context.getServerSocketFactory().createServerSocket(Integer.parseInt(arguments[0]));
        while (true) {
            try (var connection = listener.accept()) {
                connection.getInputStream().read();
            } catch (IOException error) {
                System.err.println(error);
            }
        }
    }
}
