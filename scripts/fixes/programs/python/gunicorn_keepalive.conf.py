bind = "0.0.0.0:8081"
# fix: from here
worker_class = "gthread"
threads = 8
keepalive = 1
# fix: to here
