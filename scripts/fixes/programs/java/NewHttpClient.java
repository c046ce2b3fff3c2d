import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Call {
    // fix: paste here

    static void call(String url) throws Exception {
        // fix: from here
        HttpClient CLIENT = HttpClient.newHttpClient();
        // fix: to here
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
