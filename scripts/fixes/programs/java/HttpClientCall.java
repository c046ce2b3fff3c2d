import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Call {
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static void call(String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
