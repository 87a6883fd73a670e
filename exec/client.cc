// Frames in, bytes out, and the other way round.
#include "exec/client.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "exec/frame_stream.h"
#include "exec/local_stdio.h"
#include "exec/stdio_frame.h"
#include "proto/frame.h"

namespace anchorhold::exec {

class ExecClient::Pump final : private FrameStream::Handler {
  public:
    Pump(EventLoop& loop, OwnFd stream, const proto::ExecStart& start, Stdio stdio, OnEnd on_end,
         ClientHooks hooks);
    ~Pump() override { close_input(); }

    void send(const proto::ExecClientFrame& frame) { stream_.send(frame); }

  private:
    void on_frame(std::string_view message) override;
    void on_drained() override { read_input(); }
    void on_lost(const Error& error) override { end(Lost{error.message}); }

    void open_stdio(Stdio stdio);
    void output_failed(proto::OutputStream stream, const Error& error);
    void on_output(const proto::Output& output);
    void on_credit(uint32_t bytes);
    void read_input();
    void watch_input();
    void unwatch_input();
    void close_input();
    void end(Outcome outcome);

    EventLoop& loop_;
    OnEnd on_end_;
    ClientHooks hooks_;
    FrameStream stream_;
    std::optional<LocalStdio> input_;
    bool input_watched_ = false;
    bool input_posted_ = false;
    size_t outstanding_ = 0;  // stdin sent and not yet credited
    std::unique_ptr<std::byte[]> chunk_;
    std::unique_ptr<LocalOutput> out_;
    std::unique_ptr<LocalOutput> err_;
    bool any_output_ = false;
    bool ended_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

ExecClient::Pump::Pump(EventLoop& loop, OwnFd stream, const proto::ExecStart& start, Stdio stdio,
                       OnEnd on_end, ClientHooks hooks)
    : loop_(loop),
      on_end_(std::move(on_end)),
      hooks_(std::move(hooks)),
      stream_(loop, std::move(stream), proto::kMaxExecServerFrame, *this) {
    proto::ExecClientFrame frame;
    *frame.mutable_start() = start;
    if (frame.ByteSizeLong() > proto::kMaxExecClientFrame) {
        stream_.close();
        end(Refused{proto::ExecRefused::CANNOT_EXECUTE,
                    "arguments and environment are larger than " +
                        std::to_string(proto::kMaxExecClientFrame >> 20) + " MiB"});
        return;
    }
    stream_.send(frame);
    open_stdio(stdio);
    read_input();
}

void ExecClient::Pump::open_stdio(Stdio stdio) {
    const auto open_output = [this](int fd, proto::OutputStream stream) {
        std::unique_ptr<LocalOutput> output;
        if (fd >= 0) {
            auto local = LocalStdio::open(fd, LocalStdio::Direction::kWrite);
            if (local) {
                output = std::make_unique<LocalOutput>(
                    loop_, std::move(*local),
                    LocalOutput::Events{
                        .flushed = [this] { stream_.resume(); },
                        .failed = [this,
                                   stream](const Error& error) { output_failed(stream, error); }});
            } else {
                end(Lost{local.error().message});
            }
        }
        return output;
    };
    out_ = open_output(stdio.out, proto::STDOUT);
    err_ = open_output(stdio.err, proto::STDERR);
    if (stdio.in >= 0) {
        auto local = LocalStdio::open(stdio.in, LocalStdio::Direction::kRead);
        if (local) {
            input_.emplace(std::move(*local));
        } else {
            end(Lost{local.error().message});
        }
    }
}

void ExecClient::Pump::output_failed(proto::OutputStream stream, const Error& error) {
    if (error.code != EPIPE && error.code != ECONNRESET) {
        end(Lost{"write " + std::string(stream == proto::STDERR ? "stderr" : "stdout") + ": " +
                 errno_text(error.code)});
        return;
    }
    proto::ExecClientFrame frame;
    frame.mutable_output_gone()->set_stream(stream);
    stream_.send(frame);
}

void ExecClient::Pump::on_frame(std::string_view message) {
    const auto frame = proto::parse<proto::ExecServerFrame>(message, "frame");
    using Frame = proto::ExecServerFrame;
    switch (frame ? frame->frame_case() : Frame::FRAME_NOT_SET) {
        case Frame::kStarted:
            if (hooks_.started) {
                hooks_.started(frame->started());
            }
            return;
        case Frame::kOutput:
            on_output(frame->output());
            return;
        case Frame::kStdinCredit:
            on_credit(frame->stdin_credit().bytes());
            return;
        case Frame::kStdinGone:
            close_input();
            return;
        case Frame::kExited:
            // Earlier output is written: delivery pauses while some of it waits.
            end(Exited{static_cast<int>(frame->exited().code() & 0xff),
                       static_cast<int>(frame->exited().signal() & 0x7f),
                       frame->exited().out_of_memory()});
            return;
        case Frame::kRefused:
            end(Refused{frame->refused().reason(), frame->refused().message()});
            return;
        case Frame::FRAME_NOT_SET:
            break;
    }
    end(Lost{"the other side sent a frame that is not in the protocol"});
}

void ExecClient::Pump::on_output(const proto::Output& output) {
    const std::unique_ptr<LocalOutput>& sink = output.stream() == proto::STDERR ? err_ : out_;
    if (!any_output_ && hooks_.first_byte) {
        hooks_.first_byte();
    }
    any_output_ = true;
    if (sink != nullptr) {
        sink->write(output.data());
        if (!sink->flushed()) {
            stream_.pause();
        }
    }
}

void ExecClient::Pump::on_credit(uint32_t bytes) {
    if (bytes > outstanding_) {
        end(Lost{"the other side credits stdin that was never sent"});
        return;
    }
    outstanding_ -= bytes;
    read_input();
}

void ExecClient::Pump::read_input() {
    if (!input_ || ended_ || input_posted_) {
        return;
    }
    const size_t room = std::min(proto::kStdinWindow - outstanding_, size_t{proto::kMaxStdioChunk});
    if (room == 0 || stream_.congested()) {
        unwatch_input();  // until a credit or on_drained
        return;
    }
    if (chunk_ == nullptr) {
        chunk_ = std::make_unique_for_overwrite<std::byte[]>(proto::kMaxStdioChunk);
    }
    const auto got = input_->read(std::span(chunk_.get(), room));
    if (got && !got->has_value()) {
        watch_input();
        return;
    }
    // Unreadable (a directory, a terminal that hung up) is as good as empty.
    const size_t count = got ? **got : 0;
    if (count == 0) {
        close_input();
        proto::ExecClientFrame frame;
        frame.mutable_stdin_end();
        stream_.send(frame);
        return;
    }
    outstanding_ += count;
    stream_.send_frame(stdin_frame_header(count),
                       std::string_view(reinterpret_cast<const char*>(chunk_.get()), count));
    if (input_->pollable()) {
        watch_input();
        return;
    }
    // A file is always ready: let others have their turn between two chunks.
    input_posted_ = true;
    loop_.post([this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) {
            input_posted_ = false;
            read_input();
        }
    });
}

void ExecClient::Pump::watch_input() {
    if (!input_watched_) {
        const Status status = loop_.add(input_->fd(), EPOLLIN, [this](uint32_t) { read_input(); });
        if (!status) {
            end(Lost{"stdin: " + status.error().message});
            return;
        }
        input_watched_ = true;
    }
}

void ExecClient::Pump::unwatch_input() {
    if (input_watched_) {
        loop_.remove(input_->fd());
        input_watched_ = false;
    }
}

void ExecClient::Pump::close_input() {
    unwatch_input();
    input_.reset();
}

void ExecClient::Pump::end(Outcome outcome) {
    if (ended_) {
        return;
    }
    ended_ = true;
    close_input();
    stream_.close();
    loop_.post(
        [on_end = std::move(on_end_), outcome = std::move(outcome), alive = std::weak_ptr(alive_)] {
            if (!alive.expired()) {
                on_end(outcome);
            }
        });
}

ExecClient::ExecClient(EventLoop& loop, OwnFd stream, const proto::ExecStart& start, Stdio stdio,
                       OnEnd on_end, ClientHooks hooks)
    : pump_(std::make_unique<Pump>(loop, std::move(stream), start, stdio, std::move(on_end),
                                   std::move(hooks))) {}

ExecClient::~ExecClient() = default;

void ExecClient::signal(int number) {
    proto::ExecClientFrame frame;
    frame.mutable_signal()->set_number(static_cast<uint32_t>(number));
    pump_->send(frame);
}

void ExecClient::resize(uint32_t rows, uint32_t columns) {
    proto::ExecClientFrame frame;
    frame.mutable_resize()->set_rows(rows);
    frame.mutable_resize()->set_columns(columns);
    pump_->send(frame);
}

}  // namespace anchorhold::exec
