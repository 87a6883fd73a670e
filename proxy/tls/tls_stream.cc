// A BIO over PlainStream's try operations, and SSL_* calls that never wait.
#include "proxy/tls/tls_stream.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace anchorhold::proxy {
namespace {

// SSL_get_error looks at the queue; emptying it costs more than a look.
void clear_errors() {
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

std::span<std::byte> bytes_of(char* data, size_t size) {
    return {reinterpret_cast<std::byte*>(data), size};
}

long bio_control(BIO* bio, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;
        case BIO_CTRL_EOF:
            return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        default:
            return 0;
    }
}

}  // namespace

struct StreamBio {
    static int read(BIO* bio, char* data, size_t size, size_t* count) {
        BIO_clear_retry_flags(bio);
        auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
        const IoResult result = stream.below_->try_read(bytes_of(data, size));
        *count = result.count;
        if (result.kind == IoResult::Kind::want_read) {
            BIO_set_retry_read(bio);
        }
        if (result.kind == IoResult::Kind::end) {
            BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        }
        return result.kind == IoResult::Kind::bytes ? 1 : 0;
    }

    static int write(BIO* bio, const char* data, size_t size, size_t* count) {
        BIO_clear_retry_flags(bio);
        auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
        if (!stream.gathering_.empty()) {
            const auto room = stream.gathering_.subspan(stream.gathered_);
            *count = std::min(size, room.size());
            std::memcpy(room.data(), data, *count);
            stream.gathered_ += *count;
            return *count > 0 ? 1 : 0;
        }
        const IoResult result =
            stream.below_->try_write({reinterpret_cast<const std::byte*>(data), size});
        *count = result.count;
        if (result.kind == IoResult::Kind::want_write) {
            BIO_set_retry_write(bio);
        }
        return result.kind == IoResult::Kind::bytes ? 1 : 0;
    }

    // Made once, before the first sandbox's proxy is forked; lives as long as the process.
    static BIO_METHOD* method() {
        static BIO_METHOD* const method = [] {
            BIO_METHOD* made =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "anchorhold stream");
            BIO_meth_set_read_ex(made, read);
            BIO_meth_set_write_ex(made, write);
            BIO_meth_set_ctrl(made, bio_control);
            return made;
        }();
        return method;
    }
};

TlsStream::TlsStream(std::unique_ptr<PlainStream> below, OwnSsl session)
    : below_(std::move(below)), session_(std::move(session)) {}

TlsStream::~TlsStream() = default;

Result<std::unique_ptr<TlsStream>> TlsStream::create(std::unique_ptr<PlainStream> below,
                                                     OwnSsl session) {
    BIO* bio = BIO_new(StreamBio::method());
    if (bio == nullptr) {
        return fail_openssl("BIO_new");
    }
    std::unique_ptr<TlsStream> stream(new TlsStream(std::move(below), std::move(session)));
    BIO_set_data(bio, stream.get());
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->session_.get(), bio, bio);
    return stream;
}

IoResult TlsStream::outcome(int returned, size_t count) {
    if (returned > 0) {
        return {IoResult::Kind::bytes, count};
    }
    switch (SSL_get_error(session_.get(), returned)) {
        case SSL_ERROR_WANT_READ:
            return {IoResult::Kind::want_read};
        case SSL_ERROR_WANT_WRITE:
            return {IoResult::Kind::want_write};
        case SSL_ERROR_ZERO_RETURN:
            return {IoResult::Kind::end};
        case SSL_ERROR_SYSCALL:
            return {IoResult::Kind::failed, 0, "the connection was reset"};
        default: {
            const char* reason = ERR_reason_error_string(ERR_peek_error());
            return {IoResult::Kind::failed, 0, reason != nullptr ? reason : "TLS failed"};
        }
    }
}

asio::awaitable<Status> TlsStream::handshake() {
    for (;;) {
        ERR_clear_error();
        const IoResult result = outcome(SSL_do_handshake(session_.get()), 0);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                co_return Status();
            case IoResult::Kind::want_read:
                co_await below_->wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await below_->wait_writable();
                break;
            case IoResult::Kind::end:
                co_return fail("the peer ended the TLS handshake");
            case IoResult::Kind::failed: {
                const long verified = SSL_get_verify_result(session_.get());
                co_return fail(verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                                                     : result.why);
            }
        }
    }
}

IoResult TlsStream::try_read(std::span<std::byte> buffer) {
    clear_errors();
    size_t count = 0;
    const int returned = SSL_read_ex(session_.get(), buffer.data(), buffer.size(), &count);
    return outcome(returned, count);
}

IoResult TlsStream::try_write(std::span<const std::byte> bytes) {
    clear_errors();
    size_t count = 0;
    const int returned = SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &count);
    return outcome(returned, count);
}

asio::awaitable<Status> TlsStream::write_bulk(std::span<const std::byte> bytes,
                                              std::span<std::byte> scratch) {
    ANCHORHOLD_CHECK(bytes.size() + kBulkOverhead <= scratch.size());
    gathering_ = scratch;
    gathered_ = 0;
    IoResult result{IoResult::Kind::bytes};
    while (!bytes.empty() && result.kind == IoResult::Kind::bytes) {
        result = try_write(bytes);
        bytes = bytes.subspan(result.count);
    }
    gathering_ = {};
    if (!bytes.empty()) {
        co_return fail(result.why);
    }
    co_return co_await below_->write_bulk(scratch.first(gathered_), {});
}

asio::awaitable<void> TlsStream::wait_readable() {
    return below_->wait_readable();
}

asio::awaitable<void> TlsStream::wait_writable() {
    return below_->wait_writable();
}

void TlsStream::finish_writing() {
    ERR_clear_error();
    SSL_shutdown(session_.get());
    below_->finish_writing();
}

void TlsStream::cancel() {
    below_->cancel();
}

void TlsStream::reset() {
    below_->reset();
}

std::string TlsStream::alpn() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(session_.get(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

}  // namespace anchorhold::proxy
