/* program URL 1 CALLS PERIOD_MS: CALLS calls, a period apart; then alive and quiet. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t drop(char *data, size_t size, size_t count, void *user)
{
    return size * count;
}

int main(int argc, char **argv)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    /* fix: paste here */
    for (int nth = 0; nth < atoi(argv[3]); nth++) {
        /* fix: from here */
        CURL *curl = curl_easy_init();
        /* fix: to here */
        curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, curl_version());
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
        if (curl_easy_perform(curl) != CURLE_OK)
            return 1;
        /* fix: from here */
        curl_easy_cleanup(curl);
        /* fix: to here */
        usleep(1000 * atoi(argv[4]));
    }
    puts("done");
    fflush(stdout);
    pause();
}
