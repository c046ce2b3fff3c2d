import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManager;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.util.TimeValue;

class Call {
    static final CloseableHttpClient CLIENT = make();

    static CloseableHttpClient make() {
        // fix: from here
        CloseableHttpClient client = HttpClients.custom()
            .setConnectionReuseStrategy((request, response, context) -> false)
            .build();
        // fix: to here
        return client;
    }

    static void call(String url) throws Exception {
        CLIENT.execute(new HttpGet(url), response -> EntityUtils.toString(response.getEntity()));
    }
}
