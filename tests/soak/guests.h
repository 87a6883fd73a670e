// The guest's side of the soak: threads that send requests over whatever window there is.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "window/guest_end.h"

namespace anchorhold::soak {

// What became of the guests' requests.
struct Tally {
    uint64_t answered = 0;   // 200 with the request's own id
    uint64_t forbidden = 0;  // 403, to those that policy denies
    uint64_t refused = 0;    // 502 and others of the proxy's own
    uint64_t cut = 0;        // the stream ended first
    uint64_t unopened = 0;   // no TLS session was to be had
    uint64_t stalled = 0;    // neither an answer nor an end within the stream's deadline
    uint64_t wrong = 0;      // an answer that is not this request's
};

class Guests {
  public:
    struct Counts {
        unsigned https = 8;
        unsigned http = 2;
    };
    Guests(std::string root_pem, uint64_t seed, Counts counts);
    // Streams in use are ended.
    ~Guests();

    // From here on streams are opened over this channel; the one before is closed.
    void use(OwnFd channel);
    // Waits until so many requests were answered in all, or until `patience` passes without one;
    // false then.
    bool wait_for_answers(uint64_t answers, std::chrono::seconds patience);
    void stop();
    Tally tally();

  private:
    void run(unsigned number, bool tls);
    // One request on the stream; false: the stream is of no use any more.
    bool ask(window_test::GuestStream& stream, const std::string& host, bool forbidden);
    std::unique_ptr<window_test::GuestStream> open(bool tls, const std::string& host);
    std::shared_ptr<OwnFd> channel();
    void channel_failed(const std::shared_ptr<OwnFd>& failed);
    void count(uint64_t Tally::*what);

    const std::string root_pem_;
    const uint64_t seed_;
    std::atomic<uint64_t> next_id_ = 1;
    std::atomic<bool> stopping_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<OwnFd> channel_;
    Tally tally_;
    std::vector<std::thread> threads_;
};

}  // namespace anchorhold::soak
