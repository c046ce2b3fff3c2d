import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;

class Call {
    static void call(String url) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        try (InputStream body = connection.getInputStream()) {
            body.readAllBytes();
        }
    }
}
