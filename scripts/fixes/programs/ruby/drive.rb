# main.rb URL CALLERS CALLS PERIOD_MS: threads that call together, CALLS times, a period apart; then alive and quiet.
#
# call.rb makes what it calls with and defines call(http, uri), what one of them does; the mistake is there.
require "net/http"
require_relative "call"

uri = URI(ARGV[0])
callers, calls, period = ARGV[1..].map(&:to_i)
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
threads = Array.new(callers) do
  Thread.new do
    caller_of(uri) do |one|
      calls.times do |nth|
        rest = began + period * nth / 1000.0 - Process.clock_gettime(Process::CLOCK_MONOTONIC)
        sleep(rest) if rest.positive?
        one.call
      end
    end
  end
end
threads.each { |thread| thread.abort_on_exception = true }
threads.each(&:join)
puts "done"
$stdout.flush
sleep
