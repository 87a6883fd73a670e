// One nghttp2 session: how each leg's is set up, and memory that stays small while it idles.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "proxy/http2/relay.h"

namespace anchorhold::proxy::http2 {

// Which peer a session speaks to.
enum class Leg { guest, upstream };

// Owns a session. Neither moved nor copied: nghttp2 keeps pointers into it.
class Session {
  public:
    // Makes the session, its settings and connection window queued. `user_data` goes to every
    // callback.
    Session(Leg leg, const nghttp2_session_callbacks* callbacks, void* user_data,
            const Limits& limits);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] nghttp2_session* get() const { return session_; }

  private:
    // nghttp2 holds one frame buffer of 16 KiB per session, of which only what a frame's head and
    // header block need is ever written (bodies are not copied into it). In a mapping of its own
    // the rest of it costs no memory.
    static void* allocate(size_t size, void* self);
    static void release(void* memory, void* self);
    static void* allocate_zeroed(size_t count, size_t size, void* self);
    static void* reallocate(void* memory, size_t size, void* self);

    nghttp2_mem memory_;
    void* frame_buffer_ = nullptr;
    size_t frame_buffer_size_ = 0;
    nghttp2_session* session_ = nullptr;
};

struct CallbacksDeleter {
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
};
using Callbacks = std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter>;

}  // namespace anchorhold::proxy::http2
