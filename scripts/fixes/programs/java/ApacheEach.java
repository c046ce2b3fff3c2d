import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManager;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.util.TimeValue;

class Call {
    // fix: paste here

    static void call(String url) throws Exception {
        // fix: from here
        CloseableHttpClient CLIENT = HttpClients.createDefault();
        // fix: to here
        CLIENT.execute(new HttpGet(url), response -> EntityUtils.toString(response.getEntity()));
    }
}
