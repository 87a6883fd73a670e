// nghttp2 with the fewest callbacks.
#include "h2_peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace anchorhold::test {
namespace {

std::vector<nghttp2_nv> nv_of(const HeaderList& head) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : head) {
        auto* name_bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
        auto* value_bytes = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
        list.push_back({name_bytes, value_bytes, name.size(), value.size(), 0});
    }
    return list;
}

}  // namespace

struct PeerCallbacks {
    static H2Peer& peer(void* user_data) { return *static_cast<H2Peer*>(user_data); }

    static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        peer(user_data).streams_[frame->hd.stream_id].blocks.emplace_back();
        return 0;
    }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_size, const uint8_t* value, size_t value_size, uint8_t flags,
                         void* user_data) {
        Received& stream = peer(user_data).streams_[frame->hd.stream_id];
        stream.blocks.back().emplace_back(
            std::string(reinterpret_cast<const char*>(name), name_size),
            std::string(reinterpret_cast<const char*>(value), value_size));
        stream.index_flags.push_back(flags);
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        H2Peer& self = peer(user_data);
        const int32_t id = frame->hd.stream_id;
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            self.goaway = true;
            self.goaway_code = frame->goaway.error_code;
            self.goaway_last = frame->goaway.last_stream_id;
        }
        if (frame->hd.type == NGHTTP2_SETTINGS) {
            for (size_t i = 0; i < frame->settings.niv; ++i) {
                self.settings[static_cast<uint32_t>(frame->settings.iv[i].settings_id)] =
                    frame->settings.iv[i].value;
            }
        }
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST &&
            self.on_request) {
            self.on_request(id);
        }
        if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            self.streams_[id].ended = true;
            if (self.on_end) {
                self.on_end(id);
            }
        }
        return 0;
    }
    static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count,
                       void* user_data) {
        H2Peer& self = peer(user_data);
        Received& stream = self.streams_[id];
        stream.body_bytes += count;
        if (self.options_.keep_bodies) {
            stream.body.append(reinterpret_cast<const char*>(bytes), count);
        }
        return 0;
    }
    static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) {
        Received& stream = peer(user_data).streams_[id];
        stream.closed = true;
        stream.close_code = code;
        return 0;
    }
    static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t room,
                             uint32_t* flags, nghttp2_data_source*, void* user_data) {
        Outgoing& body = peer(user_data).outgoing_[id];
        size_t count = std::min(room, body.bytes.size());
        std::memcpy(buffer, body.bytes.data(), count);
        body.bytes.erase(0, count);
        if (count == 0) {
            count = static_cast<size_t>(std::min<uint64_t>(room, body.generate));
            std::memset(buffer, 'x', count);
            body.generate -= count;
        }
        if (!body.bytes.empty() || body.generate != 0) {
            return static_cast<ssize_t>(count);
        }
        if (body.open) {
            return count == 0 ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(count);
        }
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!body.trailers.empty()) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            const auto nv = nv_of(body.trailers);
            nghttp2_submit_trailer(session, id, nv.data(), nv.size());
        }
        return static_cast<ssize_t>(count);
    }
};

std::string Received::field(std::string_view name) const {
    for (const HeaderList& block : blocks) {
        for (const auto& [key, value] : block) {
            if (key == name) {
                return value;
            }
        }
    }
    return {};
}

bool Received::has(std::string_view name) const {
    return std::ranges::any_of(blocks, [&](const HeaderList& block) {
        return std::ranges::any_of(block, [&](const auto& field) { return field.first == name; });
    });
}

uint8_t Received::flags_of(std::string_view name) const {
    size_t at = 0;
    for (const HeaderList& block : blocks) {
        for (const auto& field : block) {
            if (field.first == name) {
                return index_flags[at];
            }
            ++at;
        }
    }
    return 0;
}

H2Peer::H2Peer(Role role, OwnFd socket, Options options)
    : socket_(std::move(socket)), options_(std::move(options)) {
    nghttp2_session_callbacks* table = nullptr;
    ANCHORHOLD_CHECK(nghttp2_session_callbacks_new(&table) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, PeerCallbacks::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(table, PeerCallbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, PeerCallbacks::on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, PeerCallbacks::on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(table, PeerCallbacks::on_close);
    nghttp2_option* option = nullptr;
    ANCHORHOLD_CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_http_messaging(option, 1);  // a test sends what it likes
    nghttp2_option_set_max_send_header_block_length(option, size_t{1} << 20);
    if (options_.read_slowly) {
        nghttp2_option_set_no_auto_window_update(option, 1);
    }
    const int made = role == Role::client
                         ? nghttp2_session_client_new2(&session_, table, this, option)
                         : nghttp2_session_server_new2(&session_, table, this, option);
    ANCHORHOLD_CHECK(made == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(table);
    unsent_ = options_.instead;
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, options_.settings.data(),
                            options_.settings.size());
}

H2Peer::~H2Peer() {
    nghttp2_session_del(session_);
}

bool H2Peer::step() {
    bool moved = false;
    if (!socket_.valid()) {
        return false;
    }
    for (;;) {
        const uint8_t* bytes = nullptr;
        ssize_t count = 0;
        while (unsent_.size() < 65536 && (count = nghttp2_session_mem_send(session_, &bytes)) > 0) {
            unsent_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
        }
        const ssize_t sent = unsent_.empty() ? 0
                                             : ::send(socket_.get(), unsent_.data(), unsent_.size(),
                                                      MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0) {
            break;
        }
        moved = true;
        unsent_.erase(0, static_cast<size_t>(sent));
    }
    std::array<uint8_t, 65536> buffer{};
    const ssize_t count =
        reading && !eof ? ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) : -1;
    if (count == 0) {
        eof = true;
        return true;
    }
    if (count > 0) {
        nghttp2_session_mem_recv(session_, buffer.data(), static_cast<size_t>(count));
        moved = true;
    }
    return moved;
}

int32_t H2Peer::request(const HeaderList& head, Outgoing body) {
    const bool bodiless =
        body.bytes.empty() && body.generate == 0 && !body.open && body.trailers.empty();
    nghttp2_data_provider provider{{.ptr = nullptr}, PeerCallbacks::read_body};
    const auto nv = nv_of(head);
    const int32_t id = nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(),
                                              bodiless ? nullptr : &provider, nullptr);
    outgoing_[id] = std::move(body);
    return id;
}

int32_t H2Peer::get(const std::string& path, HeaderList more) {
    HeaderList head = get_head(path);
    head.insert(head.end(), more.begin(), more.end());
    return request(head, {});
}

void H2Peer::respond(int32_t stream, const HeaderList& head, Outgoing body) {
    const bool bodiless =
        body.bytes.empty() && body.generate == 0 && !body.open && body.trailers.empty();
    nghttp2_data_provider provider{{.ptr = nullptr}, PeerCallbacks::read_body};
    outgoing_[stream] = std::move(body);
    const auto nv = nv_of(head);
    nghttp2_submit_response(session_, stream, nv.data(), nv.size(), bodiless ? nullptr : &provider);
}

void H2Peer::interim(int32_t stream, const HeaderList& head) {
    const auto nv = nv_of(head);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, nv.data(), nv.size(),
                           nullptr);
}

void H2Peer::append(int32_t stream, std::string_view bytes) {
    outgoing_[stream].bytes += bytes;
    nghttp2_session_resume_data(session_, stream);
}

void H2Peer::end(int32_t stream, HeaderList trailers) {
    outgoing_[stream].open = false;
    outgoing_[stream].trailers = std::move(trailers);
    nghttp2_session_resume_data(session_, stream);
}

void H2Peer::reset(int32_t stream, uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code);
}

void H2Peer::send_raw(std::string bytes) {
    const uint8_t* from = nullptr;
    ssize_t count = 0;
    while ((count = nghttp2_session_mem_send(session_, &from)) > 0) {
        unsent_.append(reinterpret_cast<const char*>(from), static_cast<size_t>(count));
    }
    unsent_ += bytes;
}

HeaderList get_head(const std::string& path) {
    return {{":method", "GET"}, {":scheme", "https"}, {":authority", "api.test"}, {":path", path}};
}

HeaderList post_head(const std::string& path) {
    HeaderList head = get_head(path);
    head[0].second = "POST";
    return head;
}

}  // namespace anchorhold::test
