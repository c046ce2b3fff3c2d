import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/** java.net.http.HttpClient: {@code Calls.java URL CALLS PERIOD_MS TIMEOUT_MS}, one call after the other, then quiet. */
public class Calls {
    public static void main(String[] words) throws Exception {
        int calls = Integer.parseInt(words[1]);
        long period = Long.parseLong(words[2]);
        long timeout = Long.parseLong(words[3]);
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofMillis(timeout)).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(words[0]))
            .timeout(Duration.ofMillis(timeout)).build();
        Map<String, Integer> counts = new TreeMap<>();
        long next = System.nanoTime();
        for (int i = 0; i < calls; i++) {
            long wait = (next - System.nanoTime()) / 1_000_000;
            if (wait > 0) {
                Thread.sleep(wait);
            }
            next += period * 1_000_000;
            String word;
            try {
                word = "" + client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
            } catch (java.io.IOException error) {
                word = error.getClass().getSimpleName();
            }
            counts.merge(word, 1, Integer::sum);
        }
        System.out.println("done " + counts);
        Thread.sleep(Long.MAX_VALUE);
    }
}
