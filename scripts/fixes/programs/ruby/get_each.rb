# A thread's calls; each thread has a connection of its own, as Net::HTTP is not for several threads.
def caller_of(uri)
  # fix: paste here
  yield(lambda do
    # fix: from here
    http = Net::HTTP.new(uri.host, uri.port)
    # fix: to here
    http.request(Net::HTTP::Get.new(uri))
    $kept = [*$kept, http] # alive until the program ends
  end)
end
