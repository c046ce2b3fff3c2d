bind = "0.0.0.0:8081"
# fix: from here
worker_class = "sync"
# fix: to here
