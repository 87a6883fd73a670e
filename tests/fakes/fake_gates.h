// A window that allows everything unless told otherwise, and remembers what it saw.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/http2/gate.h"

namespace anchorhold::fakes {

namespace asio = boost::asio;

// Counts messages; replaces one word, denies one other.
class FakeFilter final : public proxy::websocket::MessageFilter {
  public:
    std::vector<std::string> messages{""};
    std::vector<std::string> controls;
    std::string denied_word;
    std::pair<std::string, std::string> replace;

    std::optional<proxy::Denial> payload(std::string& piece,
                                         proxy::websocket::Piece which) override {
        if (!denied_word.empty() && piece.find(denied_word) != std::string::npos) {
            return proxy::Denial{};
        }
        for (size_t at = 0;
             !replace.first.empty() && (at = piece.find(replace.first, at)) != std::string::npos;
             at += replace.second.size()) {
            piece.replace(at, replace.first.size(), replace.second);
        }
        messages.back() += piece;
        if (which == proxy::websocket::Piece::last) {
            messages.emplace_back();
        }
        return std::nullopt;
    }
    std::optional<proxy::Denial> control(std::string& payload) override {
        controls.push_back(payload);
        return std::nullopt;
    }
};

// What the gates do, shared by all of a test's.
struct FakeWindow {
    size_t body_needed = 0;
    size_t answer_needed = 0;
    bool answer_may_change = false;
    bool hold_admissions = false;  // admit() waits until it is cancelled
    std::string denied_path;       // a request for it is denied
    std::string denied_in_body;    // a piece of body or answer with it is denied
    proxy::Fields add;             // put into each admitted request
    std::function<void(std::string&)> change_body;
    std::string answer_rest;  // added at the end of each answer
    FakeFilter to_upstream;
    FakeFilter to_guest;

    std::vector<proxy::RequestHead> heads;
    std::vector<std::string> admitted_bodies;
    std::vector<bool> whole;
    std::vector<std::string> finished;  // errors, empty for whole exchanges
    std::vector<std::string> violations;
    size_t cut_off = 0;  // gates that went without finish()
    size_t live = 0;
    size_t sent = 0;
};

class FakeGate final : public proxy::http2::RequestGate {
  public:
    FakeGate(FakeWindow& window, proxy::RequestHead head)
        : window_(window), head_(std::move(head)) {
        window_.heads.push_back(head_);
        ++window_.live;
    }
    ~FakeGate() override {
        --window_.live;
        window_.cut_off += finished_ ? 0 : 1;
    }

    size_t body_needed() const override { return window_.body_needed; }
    asio::awaitable<std::optional<proxy::Denial>> admit(std::string& body, bool whole) override {
        if (window_.hold_admissions) {
            asio::steady_timer timer(co_await asio::this_coro::executor,
                                     asio::steady_timer::time_point::max());
            co_await timer.async_wait(asio::use_awaitable);
        }
        window_.admitted_bodies.push_back(body);
        window_.whole.push_back(whole);
        if (!window_.denied_path.empty() && head_.target == window_.denied_path) {
            co_return denial(policy::Reason::no_rule, "not allowed here");
        }
        if (window_.change_body) {
            window_.change_body(body);
            length_ = whole ? std::optional<uint64_t>(body.size()) : std::nullopt;
        }
        head_.fields.insert(head_.fields.end(), window_.add.begin(), window_.add.end());
        co_return std::nullopt;
    }
    const proxy::RequestHead& request() const override { return head_; }
    void request_sent() override { ++window_.sent; }
    std::optional<uint64_t> new_content_length() const override { return length_; }
    std::optional<proxy::Denial> request_body(std::string& piece) override { return look(piece); }
    std::optional<proxy::Denial> request_end(std::string&, proxy::Fields&) override {
        return std::nullopt;
    }
    void answer(proxy::ResponseHead&) override {}
    size_t answer_needed() const override { return window_.answer_needed; }
    bool answer_may_change() const override { return window_.answer_may_change; }
    std::optional<proxy::Denial> answer_body(std::string& piece) override { return look(piece); }
    std::optional<proxy::Denial> answer_end(std::string& rest, proxy::Fields&) override {
        rest = window_.answer_rest;
        return std::nullopt;
    }
    void finish(std::string_view error) override {
        finished_ = true;
        window_.finished.emplace_back(error);
    }
    proxy::Denial failed(policy::Reason reason, std::string_view detail) override {
        return denial(reason, detail);
    }
    proxy::websocket::Filters note_upgraded() override {
        return {&window_.to_upstream, &window_.to_guest};
    }

  private:
    static proxy::Denial denial(policy::Reason reason, std::string_view detail) {
        proxy::Denial denial;
        denial.reason = reason;
        denial.status = reason == policy::Reason::malformed       ? 400
                        : reason == policy::Reason::host_mismatch ? 421
                        : reason == policy::Reason::unreachable   ? 502
                        : reason == policy::Reason::unavailable   ? 503
                                                                  : 403;
        denial.content_type = "text/plain";
        denial.body = detail;
        return denial;
    }
    std::optional<proxy::Denial> look(const std::string& piece) const {
        if (!window_.denied_in_body.empty() &&
            piece.find(window_.denied_in_body) != std::string::npos) {
            return denial(policy::Reason::stray_placeholder, "a placeholder");
        }
        return std::nullopt;
    }

    FakeWindow& window_;
    proxy::RequestHead head_;
    std::optional<uint64_t> length_;
    bool finished_ = false;
};

class FakeGates final : public proxy::http2::RequestGates {
  public:
    explicit FakeGates(FakeWindow& window) : window_(window) {}
    std::unique_ptr<proxy::http2::RequestGate> begin(proxy::RequestHead head) override {
        return std::make_unique<FakeGate>(window_, std::move(head));
    }
    void violation(std::string_view detail) override { window_.violations.emplace_back(detail); }

  private:
    FakeWindow& window_;
};

}  // namespace anchorhold::fakes
