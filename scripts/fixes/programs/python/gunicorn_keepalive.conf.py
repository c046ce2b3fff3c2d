bind = "0.0.0.0:8081"
worker_class = "gthread"
threads = 8
# fix: from here
keepalive = 1
# fix: to here
