// HTTP/2 for the tests' own ends of a window: a guest that may write any header block, and an
// upstream that keeps what it received.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "window/stand_in.h"

struct nghttp2_session;

namespace anchorhold::window_test {

using Block = std::vector<std::pair<std::string, std::string>>;

// What came on one stream.
struct H2Message {
    Block head;  // pseudo fields included
    Block trailers;
    std::string body;
    bool ended = false;
    bool closed = false;
    uint32_t reset_code = 0;  // with `closed`; 0: closed in peace
    [[nodiscard]] std::string field(std::string_view name) const;
    [[nodiscard]] int status() const;  // 0: no answer
};

// One side of an HTTP/2 connection over a blocking stream; one thread.
class H2End {
  public:
    enum class Role { client, server };
    H2End(Role role, ByteStream& stream);
    ~H2End();
    H2End(const H2End&) = delete;
    H2End& operator=(const H2End&) = delete;

    // The block goes out as it is given, order and repetitions included. The stream's number.
    int32_t request(const Block& head, std::optional<std::string> body = {}, Block trailers = {});
    void respond(int32_t stream, const Block& head, std::string body, Block trailers = {});
    // Writes what waits, and reads until `done` or the connection ends; false then.
    bool run(const std::function<bool()>& done);
    // The answer on a stream, once it is closed or the connection ended.
    H2Message answer(int32_t stream);
    // A server's: a whole request came.
    std::function<void(int32_t)> on_request;

    std::map<int32_t, H2Message> messages;

  private:
    friend struct H2Callbacks;
    struct Outgoing {
        std::string body;
        Block trailers;
    };
    bool flush();

    ByteStream& stream_;
    nghttp2_session* session_ = nullptr;
    std::map<int32_t, Outgoing> outgoing_;
};

// Answers every request with 200 and what `answer` says.
class H2Upstream {
  public:
    struct Answer {
        Block fields{};
        std::string body = "hello";
        Block trailers{};
    };
    using Handler = std::function<Answer(const H2Message&)>;
    explicit H2Upstream(Handler handler);

    [[nodiscard]] StandIn& stand_in() { return stand_in_; }
    [[nodiscard]] std::vector<H2Message> received();

  private:
    void serve(ByteStream& stream);

    Handler handler_;
    std::mutex mutex_;
    std::vector<H2Message> received_;
    StandIn stand_in_;
};

}  // namespace anchorhold::window_test
