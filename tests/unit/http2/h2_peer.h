// A real HTTP/2 client or server at the far end of a socket, driven by hand: nothing moves until
// step() is called.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace anchorhold::test {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// What came on one stream.
struct Received {
    std::vector<HeaderList> blocks;    // heads and trailers in order
    std::vector<uint8_t> index_flags;  // NGHTTP2_NV_FLAG_NO_INDEX or none, of every field
    std::string body;
    uint64_t body_bytes = 0;
    bool ended = false;
    bool closed = false;
    uint32_t close_code = 0;

    // The value of a field in any block, or "".
    [[nodiscard]] std::string field(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] uint8_t flags_of(std::string_view name) const;
};

// What a peer sends as a body: pieces, then the end or trailers, or nothing yet.
struct Outgoing {
    std::string bytes{};
    uint64_t generate = 0;  // then this many bytes more, made on the way
    bool open = false;      // more may follow
    HeaderList trailers{};
};

class H2Peer {
  public:
    enum class Role { client, server };
    struct Options {
        std::vector<nghttp2_settings_entry> settings{};
        bool keep_bodies = true;   // false: only count
        std::string instead{};     // sent instead of anything HTTP/2
        bool read_slowly = false;  // gives no credit by itself
    };

    H2Peer(Role role, OwnFd socket, Options options);
    explicit H2Peer(Role role, OwnFd socket) : H2Peer(role, std::move(socket), Options()) {}
    ~H2Peer();
    H2Peer(const H2Peer&) = delete;
    H2Peer& operator=(const H2Peer&) = delete;

    // Reads and writes what is possible now. True when anything moved.
    bool step();
    [[nodiscard]] nghttp2_session* session() const { return session_; }

    int32_t request(const HeaderList& head, Outgoing body);
    int32_t get(const std::string& path, HeaderList more = {});
    void respond(int32_t stream, const HeaderList& head, Outgoing body);
    void interim(int32_t stream, const HeaderList& head);
    void append(int32_t stream, std::string_view bytes);
    void end(int32_t stream, HeaderList trailers = {});
    void reset(int32_t stream, uint32_t code);
    void send_raw(std::string bytes);  // after what nghttp2 has to send
    void close_socket() { socket_.reset(); }

    Received& stream(int32_t id) { return streams_[id]; }
    [[nodiscard]] const std::map<int32_t, Received>& streams() const { return streams_; }

    // A server's: called when a request's head, and when its end came.
    std::function<void(int32_t)> on_request;
    std::function<void(int32_t)> on_end;

    bool goaway = false;
    uint32_t goaway_code = 0;
    int32_t goaway_last = 0;
    bool eof = false;
    bool reading = true;  // false: leaves everything in the socket
    std::map<uint32_t, uint32_t> settings;

  private:
    friend struct PeerCallbacks;

    OwnFd socket_;
    Options options_;
    nghttp2_session* session_ = nullptr;
    std::string unsent_;
    std::map<int32_t, Received> streams_;
    std::map<int32_t, Outgoing> outgoing_;
};

// A client's ordinary head.
HeaderList get_head(const std::string& path);
HeaderList post_head(const std::string& path);

}  // namespace anchorhold::test
