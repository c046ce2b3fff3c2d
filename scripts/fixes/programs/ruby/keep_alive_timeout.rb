def caller_of(uri)
  http = Net::HTTP.start(uri.host, uri.port)
  # fix: from here
  http.keep_alive_timeout = 0.5
  # fix: to here
  yield(-> { http.request(Net::HTTP::Get.new(uri)) })
  $kept = [*$kept, http]
end
