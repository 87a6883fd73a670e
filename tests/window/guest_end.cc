// Blocking, with receive deadlines.
#include "window/guest_end.h"

#include <linux/sockios.h>
#include <openssl/pem.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

namespace anchorhold::window_test {
namespace {

struct Cutting {
    int fd;
    size_t piece;
};

// Each piece was taken from the socket before the next is sent.
int write_cut(BIO* bio, const char* bytes, int length) {
    const auto* cutting = static_cast<const Cutting*>(BIO_get_data(bio));
    for (size_t at = 0; at < static_cast<size_t>(length); at += cutting->piece) {
        const size_t size = std::min(cutting->piece, static_cast<size_t>(length) - at);
        if (::send(cutting->fd, bytes + at, size, MSG_NOSIGNAL) < 0) {
            return -1;
        }
        for (int unread = 1; unread > 0 && ::ioctl(cutting->fd, SIOCOUTQ, &unread) == 0;) {
            ::sched_yield();
        }
    }
    return length;
}

int read_cut(BIO* bio, char* bytes, int room) {
    const auto* cutting = static_cast<const Cutting*>(BIO_get_data(bio));
    return static_cast<int>(::recv(cutting->fd, bytes, static_cast<size_t>(room), 0));
}

long control_cut(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int destroy_cut(BIO* bio) {
    delete static_cast<Cutting*>(BIO_get_data(bio));
    return 1;
}

BIO* cutting_bio(int fd, size_t piece) {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cutting");
        BIO_meth_set_write(made, write_cut);
        BIO_meth_set_read(made, read_cut);
        BIO_meth_set_ctrl(made, control_cut);
        BIO_meth_set_destroy(made, destroy_cut);
        return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, new Cutting{fd, piece});
    BIO_set_init(bio, 1);
    return bio;
}

}  // namespace

GuestStream::GuestStream(OwnFd socket) : socket_(std::move(socket)) {
    const timeval patience{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

bool GuestStream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        size_t count = 0;
        if (session_) {
            if (SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &count) != 1) {
                return false;
            }
        } else {
            const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return false;
            }
            count = static_cast<size_t>(sent);
        }
        bytes.remove_prefix(count);
    }
    return true;
}

std::string GuestStream::read_some() {
    std::string bytes(65536, '\0');
    if (session_) {
        size_t count = 0;
        if (SSL_read_ex(session_.get(), bytes.data(), bytes.size(), &count) != 1) {
            reset_ = SSL_get_error(session_.get(), 0) != SSL_ERROR_ZERO_RETURN;
            ERR_clear_error();
            count = 0;
        }
        bytes.resize(count);
        return bytes;
    }
    const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    reset_ = count < 0 && errno == ECONNRESET;
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
}

std::string GuestStream::start_tls(const std::string& name, const std::string& root_pem,
                                   const std::vector<std::string>& alpn) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    BIO* bio = BIO_new_mem_buf(root_pem.data(), static_cast<int>(root_pem.size()));
    X509* root = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), root);
    X509_free(root);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    session_.reset(SSL_new(context_.get()));
    std::string host = name;
    if (!host.empty()) {
        SSL_ctrl(session_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 host.data());
        SSL_set1_host(session_.get(), host.c_str());
    }
    std::string list;
    for (const std::string& protocol : alpn) {
        list += static_cast<char>(protocol.size());
        list += protocol;
    }
    if (!list.empty()) {
        SSL_set_alpn_protos(session_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
    }
    if (piece_ != 0) {
        BIO* cutting = cutting_bio(socket_.get(), piece_);
        SSL_set_bio(session_.get(), cutting, cutting);
    } else {
        SSL_set_fd(session_.get(), socket_.get());
    }
    if (SSL_connect(session_.get()) == 1) {
        return {};
    }
    const char* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return reason != nullptr ? reason : "the peer ended the handshake";
}

void GuestStream::finish_writing() {
    if (session_) {
        SSL_shutdown(session_.get());
    }
    ::shutdown(socket_.get(), SHUT_WR);
}

std::string GuestStream::alpn() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(session_.get(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

std::string HttpAnswer::field(const std::string& name) const {
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) {
        return {};
    }
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
}

HttpAnswer read_answer(ByteStream& stream, std::string& buffer, bool head_only) {
    HttpAnswer answer;
    answer.head = stream.read_until(buffer, "\r\n\r\n");
    if (answer.head.size() < 12) {
        return answer;
    }
    answer.status = std::stoi(answer.head.substr(9, 3));
    if (head_only || answer.status < 200 || answer.status == 204 || answer.status == 304) {
        return answer;
    }
    if (const std::string length = answer.field("content-length"); !length.empty()) {
        answer.body = stream.read_exactly(buffer, std::stoul(length));
    } else if (answer.field("transfer-encoding") == "chunked") {
        for (;;) {
            const std::string line = stream.read_until(buffer, "\r\n");
            if (line.empty()) {
                answer.status = 0;  // cut off
                return answer;
            }
            const size_t size = std::stoul(line, nullptr, 16);
            answer.body += stream.read_exactly(buffer, size);
            if (size == 0) {
                while (stream.read_until(buffer, "\r\n").size() > 2) {
                }
                break;
            }
            stream.read_until(buffer, "\r\n");
        }
    }
    return answer;
}

proto::StreamOpen claim_of(const std::string& host, uint16_t port) {
    proto::StreamOpen claim;
    claim.set_host(host);
    claim.set_port(port);
    claim.set_exe("/usr/bin/curl");
    claim.set_pid(42);
    claim.set_uid(1000);
    return claim;
}

}  // namespace anchorhold::window_test
