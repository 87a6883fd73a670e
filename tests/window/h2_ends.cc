// nghttp2 with the fewest callbacks, checking nothing of what it sends.
#include "window/h2_ends.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

namespace anchorhold::window_test {
namespace {

std::vector<nghttp2_nv> nv_of(const Block& block) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : block) {
        nghttp2_nv field{};
        field.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
        field.namelen = name.size();
        field.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
        field.valuelen = value.size();
        list.push_back(field);
    }
    return list;
}

}  // namespace

struct H2Callbacks {
    static H2End& end(void* user_data) { return *static_cast<H2End*>(user_data); }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                         void* user_data) {
        H2Message& message = end(user_data).messages[frame->hd.stream_id];
        const bool trailer = frame->headers.cat == NGHTTP2_HCAT_HEADERS && !message.head.empty() &&
                             message.status() != 100;
        (trailer ? message.trailers : message.head)
            .emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                          std::string(reinterpret_cast<const char*>(value), value_size));
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        const bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
        if (message && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            end(user_data).messages[frame->hd.stream_id].ended = true;
            if (end(user_data).on_request) {
                end(user_data).on_request(frame->hd.stream_id);
            }
        }
        return 0;
    }
    static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count,
                       void* user_data) {
        end(user_data).messages[id].body.append(reinterpret_cast<const char*>(bytes), count);
        return 0;
    }
    static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) {
        end(user_data).messages[id].closed = true;
        end(user_data).messages[id].reset_code = code;
        return 0;
    }
    static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t room,
                             uint32_t* flags, nghttp2_data_source*, void* user_data) {
        H2End::Outgoing& out = end(user_data).outgoing_[id];
        const size_t count = std::min(room, out.body.size());
        std::memcpy(buffer, out.body.data(), count);
        out.body.erase(0, count);
        if (out.body.empty()) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!out.trailers.empty()) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                const auto fields = nv_of(out.trailers);
                nghttp2_submit_trailer(session, id, fields.data(), fields.size());
            }
        }
        return static_cast<ssize_t>(count);
    }
};

std::string H2Message::field(std::string_view name) const {
    for (const auto& [key, value] : head) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

int H2Message::status() const {
    const std::string text = field(":status");
    return text.empty() ? 0 : std::stoi(text);
}

H2End::H2End(Role role, ByteStream& stream) : stream_(stream) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, H2Callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, H2Callbacks::on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, H2Callbacks::on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, H2Callbacks::on_close);
    if (role == Role::client) {
        nghttp2_session_client_new(&session_, callbacks, this);
    } else {
        nghttp2_session_server_new(&session_, callbacks, this);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
}

H2End::~H2End() {
    nghttp2_session_del(session_);
}

int32_t H2End::request(const Block& head, std::optional<std::string> body, Block trailers) {
    const auto fields = nv_of(head);
    nghttp2_data_provider provider{};
    provider.read_callback = H2Callbacks::read_body;
    const int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                              body ? &provider : nullptr, nullptr);
    outgoing_[id] = {body.value_or(""), std::move(trailers)};
    return id;
}

void H2End::respond(int32_t stream, const Block& head, std::string body, Block trailers) {
    const auto fields = nv_of(head);
    nghttp2_data_provider provider{};
    provider.read_callback = H2Callbacks::read_body;
    outgoing_[stream] = {std::move(body), std::move(trailers)};
    nghttp2_submit_response(session_, stream, fields.data(), fields.size(), &provider);
}

bool H2End::flush() {
    for (;;) {
        const uint8_t* bytes = nullptr;
        const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
        if (count <= 0) {
            return count == 0;
        }
        if (!stream_.write({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)})) {
            return false;
        }
    }
}

bool H2End::run(const std::function<bool()>& done) {
    while (flush() && !done()) {
        const std::string bytes = stream_.read_some();
        if (bytes.empty() ||
            nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                     bytes.size()) < 0) {
            return false;
        }
    }
    return done();
}

H2Message H2End::answer(int32_t stream) {
    run([&] { return messages[stream].closed; });
    return messages[stream];
}

H2Upstream::H2Upstream(Handler handler)
    : handler_(std::move(handler)),
      stand_in_({}, {.alpn = "h2", .raw = [this](ByteStream& stream) { serve(stream); }}) {}

std::vector<H2Message> H2Upstream::received() {
    const std::lock_guard guard(mutex_);
    return received_;
}

void H2Upstream::serve(ByteStream& stream) {
    H2End end(H2End::Role::server, stream);
    end.on_request = [&](int32_t id) {
        {
            const std::lock_guard guard(mutex_);
            received_.push_back(end.messages[id]);
        }
        Answer answer = handler_(end.messages[id]);
        Block head = {{":status", "200"}};
        head.insert(head.end(), answer.fields.begin(), answer.fields.end());
        end.respond(id, head, std::move(answer.body), std::move(answer.trailers));
    };
    end.run([] { return false; });
}

}  // namespace anchorhold::window_test
