// A request that policy wants a person's word for, asked on the terminal.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "proto/proxy_control.pb.h"

namespace anchorhold::cli {

// Asks one question after another on /dev/tty. Belongs to its event loop's thread; questions still
// open when it goes stay unanswered.
class Questions {
  public:
    using Answer = std::function<void(bool allowed)>;

    // Taken: a command under -i or -t reads it.
    enum class Terminal { free, taken };
    Questions(EventLoop& loop, Terminal terminal);
    ~Questions();
    Questions(const Questions&) = delete;
    Questions& operator=(const Questions&) = delete;

    // Without a terminal to ask on, or after a minute without an answer, the answer is no, and
    // stderr says so.
    void ask(const proto::Question& question, Answer answer);

  private:
    struct Open {
        std::string text;
        Answer answer;
    };
    void show_next();
    void read_answer();
    void settle(bool allowed);

    EventLoop& loop_;
    OwnFd terminal_;
    std::deque<Open> open_;
    std::string line_;
    EventLoop::TimerId deadline_ = 0;
    bool showing_ = false;
};

}  // namespace anchorhold::cli
