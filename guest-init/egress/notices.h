// What init tells the host beside the connections themselves: which names were asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/fd.h"
#include "guest-init/egress/host_connector.h"
#include "proto/egress.pb.h"

namespace anchorhold::guest_init {

// GuestNotices on one stream to kNoticePort, opened at the first of them. The first question for a
// name and type goes at once, the same ones within a second after it as one number; where a second
// brings more names than kPerSecond, the rest is one number without a name. A host that does not
// want the stream, or does not read it, loses notices; it is asked again with the next one, a
// second later.
class Notices {
  public:
    static constexpr size_t kPerSecond = 512;
    static constexpr size_t kMaxUnsent = 256 * 1024;

    // `loop` and `host` outlive it.
    Notices(EventLoop& loop, HostConnector& host) : loop_(loop), host_(host) {}
    ~Notices();
    Notices(const Notices&) = delete;
    Notices& operator=(const Notices&) = delete;

    // Ends the stream and opens no other before release(). Notices that come meanwhile wait, up to
    // kMaxUnsent; those that the host had not taken are lost.
    void hold();
    void release();

    void dns_question(const std::string& name, uint16_t type, std::span<const uint8_t> answer);

  private:
    using Question = std::pair<std::string, uint16_t>;
    struct Repeats {
        std::string answer;
        uint32_t count = 0;
    };

    void end_second();
    void send(const Question& question, const std::string& answer, uint32_t repeated);
    void connect();
    void on_stream(uint32_t events);
    void flush();
    void lose();

    EventLoop& loop_;
    HostConnector& host_;
    std::map<Question, Repeats> this_second_;
    uint32_t beyond_ = 0;  // questions of this second that found no room
    EventLoop::TimerId second_ = 0;

    OwnFd stream_;
    bool connected_ = false;
    bool held_ = false;
    TimePoint try_again_{};
    std::string unsent_;
};

}  // namespace anchorhold::guest_init
