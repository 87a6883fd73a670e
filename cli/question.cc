// Lines on /dev/tty; what the guest chose of the text is escaped.
#include "cli/question.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>

#include <chrono>

#include "base/log.h"
#include "base/sys.h"
#include "cli/run_report.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;

std::string url_of(const proto::RequestDecided& request) {
    return fmt::format("{} {}://{}:{}{}", log::escaped(request.method(), 20), request.protocol(),
                       log::escaped(request.host(), 253), request.port(),
                       log::escaped(request.target(), 300));
}

std::string digest_text(const std::string& digest) {
    std::string text;
    for (const char byte : digest.substr(0, 8)) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
}

}  // namespace

Questions::Questions(EventLoop& loop, Terminal terminal) : loop_(loop) {
    if (terminal == Terminal::free) {
        if (auto opened = sys::open("/dev/tty", O_RDWR | O_NOCTTY)) {
            terminal_ = std::move(*opened);
        }
    }
}

Questions::~Questions() {
    loop_.cancel_timer(deadline_);
    if (terminal_.valid()) {
        loop_.remove(terminal_.get());
    }
}

void Questions::ask(const proto::Question& question, Answer answer) {
    const std::string url = url_of(question.request());
    if (!terminal_.valid()) {
        print_error(fmt::format(
            "{} wants a person's approval ({}), and there is no terminal to ask on: denied", url,
            question.request().rule()));
        answer(false);
        return;
    }
    std::string text = fmt::format("anchorhold: {} ({})", url, question.request().rule());
    if (!question.body_sha256().empty()) {
        text += fmt::format(" with the body sha256:{}…", digest_text(question.body_sha256()));
    }
    open_.push_back({text + ": allow this once? [y/N] ", std::move(answer)});
    show_next();
}

void Questions::show_next() {
    if (showing_ || open_.empty()) {
        return;
    }
    showing_ = true;
    line_.clear();
    const Status shown = sys::write_all(terminal_.get(), open_.front().text);
    const Status watched =
        shown ? loop_.add(terminal_.get(), EPOLLIN, [this](uint32_t) { read_answer(); }) : shown;
    if (!watched) {
        settle(false);
        return;
    }
    deadline_ = loop_.add_timer(kPatience, [this] {
        [[maybe_unused]] const Status told =
            sys::write_all(terminal_.get(), "\nanchorhold: no answer within a minute: denied\n");
        settle(false);
    });
}

void Questions::read_answer() {
    std::byte buffer[256];
    const auto count = sys::read_some(terminal_.get(), buffer);
    if (!count || (*count && **count == 0)) {
        settle(false);
        return;
    }
    line_.append(reinterpret_cast<const char*>(buffer), count->value_or(0));
    if (line_.find('\n') != std::string::npos || line_.size() > 256) {
        settle(line_ == "y\n" || line_ == "yes\n" || line_ == "Y\n");
    }
}

void Questions::settle(bool allowed) {
    loop_.cancel_timer(deadline_);
    loop_.remove(terminal_.get());
    const Answer answer = std::move(open_.front().answer);
    open_.pop_front();
    showing_ = false;
    answer(allowed);
    show_next();
}

}  // namespace anchorhold::cli
