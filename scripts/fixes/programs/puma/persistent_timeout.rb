bind "tcp://0.0.0.0:8081"
threads 8, 8
# fix: from here
persistent_timeout 1
# fix: to here
