// Progress on stderr.
#include "cli/progress.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/terminal.h"
#include "cli/text.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

void say(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

Progress::Progress(EventLoop& loop, std::string what)
    : loop_(loop),
      what_(std::move(what)),
      begin_(loop.clock().now()),
      timer_(loop.add_timer(2s, [this] { tick(); })) {}

Progress::~Progress() {
    loop_.cancel_timer(timer_);
    if (shown_ == Shown::kOnTerminal) {
        say("\r\x1b[K");
    } else if (shown_ == Shown::kAsLine) {
        say(fmt::format("anchorhold: {}: {}\n", what_,
                        display_duration(loop_.clock().now() - begin_)));
    }
}

void Progress::tick() {
    const std::string elapsed = display_duration(loop_.clock().now() - begin_);
    if (is_terminal(2)) {
        shown_ = Shown::kOnTerminal;
        say(fmt::format("\r\x1b[Kanchorhold: {}… {}", what_, elapsed));
        timer_ = loop_.add_timer(1s, [this] { tick(); });
    } else {
        shown_ = Shown::kAsLine;
        say(fmt::format("anchorhold: {}…\n", what_));
    }
}

}  // namespace anchorhold::cli
