<?php
// main.php URL 1 CALLS PERIOD_MS: CALLS calls, a period apart; then alive and quiet.
[, $url, , $calls, $period] = $argv;
$began = hrtime(true);
// fix: paste here
for ($nth = 0; $nth < $calls; $nth++) {
    usleep(max(0, (int) ($nth * $period * 1000 - (hrtime(true) - $began) / 1000)));
    // fix: from here
    $curl = curl_init();
    // fix: to here
    curl_setopt($curl, CURLOPT_URL, $url);
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    if (curl_exec($curl) === false) {
        exit(1);
    }
}
echo "done\n";
sleep(3600);
