import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

class Call {
    // fix: paste here

    static void call(String url) throws Exception {
        // fix: from here
        OkHttpClient CLIENT = new OkHttpClient();
        // fix: to here
        Request request = new Request.Builder().url(url).build();
        try (Response response = CLIENT.newCall(request).execute()) {
            response.body().bytes();
        }
    }
}
