// One call each.
#include "proxy/http2_gates.h"

#include <utility>

#include "proxy/exchange.h"

namespace anchorhold::proxy {
namespace {

class ExchangeGate final : public http2::RequestGate {
  public:
    ExchangeGate(Window& window, Connection& connection, RequestHead head)
        : exchange_(window, connection, std::move(head)) {}

    size_t body_needed() const override { return exchange_.body_needed(); }
    asio::awaitable<std::optional<Denial>> admit(std::string& body, bool whole) override {
        admitted_ = true;
        return exchange_.admit(body, whole);
    }
    const RequestHead& request() const override { return exchange_.request(); }
    void request_sent() override { exchange_.request_sent(); }
    std::optional<uint64_t> new_content_length() const override {
        return exchange_.new_content_length();
    }
    std::optional<Denial> request_body(std::string& piece) override {
        return exchange_.request_body(piece);
    }
    std::optional<Denial> request_end(std::string& rest, Fields& trailers) override {
        return exchange_.request_end(rest, trailers);
    }
    void answer(ResponseHead& head) override { exchange_.answer(head); }
    size_t answer_needed() const override { return exchange_.answer_needed(); }
    bool answer_may_change() const override { return exchange_.answer_may_change(); }
    std::optional<Denial> answer_body(std::string& piece) override {
        return exchange_.answer_body(piece);
    }
    std::optional<Denial> answer_end(std::string& rest, Fields& trailers) override {
        return exchange_.answer_end(rest, trailers);
    }
    void finish(std::string_view error) override { exchange_.finish(error); }
    // What the relay refuses by itself never comes to admit(), and is on record all the same.
    Denial failed(policy::Reason reason, std::string_view detail) override {
        return std::exchange(admitted_, true) ? exchange_.failed(reason, detail)
                                              : exchange_.refuse(reason, detail);
    }
    websocket::Filters note_upgraded() override { return exchange_.note_upgraded(); }

  private:
    Exchange exchange_;
    bool admitted_ = false;
};

}  // namespace

std::unique_ptr<http2::RequestGate> ExchangeGates::begin(RequestHead head) {
    return std::make_unique<ExchangeGate>(window_, connection_, std::move(head));
}

void ExchangeGates::violation(std::string_view detail) {
    refuse_malformed(window_, connection_, detail);
}

}  // namespace anchorhold::proxy
