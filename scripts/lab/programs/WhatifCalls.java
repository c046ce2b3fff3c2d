import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.Random;

/**
 * HttpURLConnection under callers who think between their calls: {@code WhatifCalls.java URL WORKERS CALLS THINK_MS}.
 * Pauses are random (exponential, the seed is fixed). It prints "done" and stays alive and quiet.
 */
public class WhatifCalls {
    public static void main(String[] words) throws Exception {
        URL url = new URL(words[0]);
        int calls = Integer.parseInt(words[2]);
        double think = Double.parseDouble(words[3]);
        Thread[] workers = new Thread[Integer.parseInt(words[1])];
        for (int i = 0; i < workers.length; i++) {
            Random chance = new Random(i);
            workers[i] = new Thread(() -> {
                try {
                    for (int call = 0; call < calls; call++) {
                        Thread.sleep((long) (-Math.log(1 - chance.nextDouble()) * think));
                        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
                        try (InputStream body = connection.getInputStream()) {
                            body.readAllBytes();
                        }
                    }
                } catch (Exception error) {
                    error.printStackTrace();
                }
            });
            workers[i].start();
        }
        for (Thread worker : workers) {
            worker.join();
        }
        System.out.println("done");
        Thread.sleep(Long.MAX_VALUE);
    }
}
