import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

class Call {
    static final OkHttpClient CLIENT = new OkHttpClient();

    static void call(String url) throws Exception {
        fetch(new Request.Builder().url(url).build());
    }

    static byte[] fetch(Request request) throws Exception {
        // fix: from here
        Response response = CLIENT.newCall(request).execute();
        return null; // nobody wants the body
        // fix: to here
    }
}
