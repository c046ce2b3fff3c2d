import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

class Call {
    // fix: from here
    static final OkHttpClient CLIENT = new OkHttpClient.Builder()
        .connectionPool(new ConnectionPool(5, 500, TimeUnit.MILLISECONDS))
        .build();
    // fix: to here

    static void call(String url) throws Exception {
        Request request = new Request.Builder().url(url).build();
        try (Response response = CLIENT.newCall(request).execute()) {
            response.body().bytes();
        }
    }
}
