// Options and settings of both legs.
#include "proxy/http2/session.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr size_t kFrameBuffer = size_t{16} << 10;
constexpr size_t kMaxSentHead = size_t{256} << 10;  // what we add to a head of full length
constexpr uint64_t kResetBurst = 1000;
constexpr uint64_t kResetsPerSecond = 100;
constexpr size_t kMaxUnsentAcks = 4000;  // more than the flood meter lets through
constexpr int32_t kGuestWindow = 1 << 20;
constexpr int32_t kUpstreamWindow = 4 << 20;

struct OptionDeleter {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_option, OptionDeleter> options() {
    nghttp2_option* option = nullptr;
    ANCHORHOLD_CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, kMaxSentHead);
    nghttp2_option_set_max_outbound_ack(option, kMaxUnsentAcks);
    nghttp2_option_set_stream_reset_rate_limit(option, kResetBurst, kResetsPerSecond);
    return std::unique_ptr<nghttp2_option, OptionDeleter>(option);
}

std::vector<nghttp2_settings_entry> settings(Leg leg, const Limits& limits) {
    const auto head = static_cast<uint32_t>(limits.head);
    if (leg == Leg::guest) {
        return {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
                {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head},
                {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
    }
    return {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
            {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head}};
}

}  // namespace

Session::Session(Leg leg, const nghttp2_session_callbacks* callbacks, void* user_data,
                 const Limits& limits)
    : memory_{this, allocate, release, allocate_zeroed, reallocate} {
    const auto option = options();
    const auto create =
        leg == Leg::guest ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
    ANCHORHOLD_CHECK(create(&session_, callbacks, user_data, option.get(), &memory_) == 0);
    const auto entries = settings(leg, limits);
    ANCHORHOLD_CHECK(
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) == 0);
    ANCHORHOLD_CHECK(nghttp2_session_set_local_window_size(
                         session_, NGHTTP2_FLAG_NONE, 0,
                         leg == Leg::guest ? kGuestWindow : kUpstreamWindow) == 0);
}

Session::~Session() {
    nghttp2_session_del(session_);
}

void* Session::allocate(size_t size, void* self) {
    auto& session = *static_cast<Session*>(self);
    if (size >= kFrameBuffer && session.frame_buffer_ == nullptr) {
        void* const mapped =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) {
            return nullptr;
        }
        session.frame_buffer_ = mapped;
        session.frame_buffer_size_ = size;
        return mapped;
    }
    return std::malloc(size);
}

void Session::release(void* memory, void* self) {
    auto& session = *static_cast<Session*>(self);
    if (memory != nullptr && memory == session.frame_buffer_) {
        ::munmap(memory, session.frame_buffer_size_);
        session.frame_buffer_ = nullptr;
        return;
    }
    std::free(memory);
}

void* Session::allocate_zeroed(size_t count, size_t size, void*) {
    return std::calloc(count, size);
}

void* Session::reallocate(void* memory, size_t size, void* self) {
    auto& session = *static_cast<Session*>(self);
    if (memory == nullptr) {
        return allocate(size, self);
    }
    if (memory != session.frame_buffer_) {
        return std::realloc(memory, size);
    }
    void* const moved = std::malloc(size);
    if (moved != nullptr) {
        std::memcpy(moved, memory, std::min(size, session.frame_buffer_size_));
        release(memory, self);
    }
    return moved;
}

}  // namespace anchorhold::proxy::http2
