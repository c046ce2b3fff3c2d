<?php
// main.php URL 1 CALLS PERIOD_MS: CALLS calls, a period apart; then alive and quiet.
[, $url, , $calls, $period] = $argv;
$began = hrtime(true);
$curl = curl_init();
// fix: from here
curl_setopt($curl, CURLOPT_FORBID_REUSE, true);
// fix: to here
for ($nth = 0; $nth < $calls; $nth++) {
    usleep(max(0, (int) ($nth * $period * 1000 - (hrtime(true) - $began) / 1000)));
    curl_setopt($curl, CURLOPT_URL, $url);
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    if (curl_exec($curl) === false) {
        exit(1);
    }
}
echo "done\n";
sleep(3600);
