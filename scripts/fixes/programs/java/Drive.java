import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * {@code Drive URL CALLERS CALLS PERIOD_MS}: threads that call together, CALLS times, a period apart; then alive and quiet.
 * {@code Call.call} is what one of them does; the mistake is there.
 */
public class Drive {
    public static void main(String[] words) throws Exception {
        int callers = Integer.parseInt(words[1]);
        int calls = Integer.parseInt(words[2]);
        long period = Long.parseLong(words[3]);
        ExecutorService threads = Executors.newFixedThreadPool(callers);
        long began = System.nanoTime();
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < callers; i++) {
            running.add(threads.submit((Callable<Void>) () -> {
                for (int nth = 0; nth < calls; nth++) {
                    long wait = nth * period - (System.nanoTime() - began) / 1_000_000;
                    if (wait > 0) {
                        Thread.sleep(wait);
                    }
                    Call.call(words[0]);
                }
                return null;
            }));
        }
        for (Future<?> one : running) {
            try {
                one.get();
            } catch (Exception error) {
                error.printStackTrace();
                System.exit(1);
            }
        }
        System.out.println("done");
        Thread.sleep(Long.MAX_VALUE);
    }
}
