// Blocking sockets and threads: simple enough to be trusted as the other end.
#include "window/stand_in.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <span>

#include "proxy/client_hello.h"
#include "x509/certificate.h"

namespace anchorhold::window_test {
namespace {

class PlainBytes final : public ByteStream {
  public:
    explicit PlainBytes(int fd) : fd_(fd) {}
    bool write(std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<size_t>(count));
        }
        return true;
    }
    std::string read_some() override {
        std::string bytes(65536, '\0');
        const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
        bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
        return bytes;
    }

  private:
    int fd_;
};

class TlsBytes final : public ByteStream {
  public:
    explicit TlsBytes(SSL* session) : session_(session) {}
    bool write(std::string_view bytes) override {
        while (!bytes.empty()) {
            size_t count = 0;
            if (SSL_write_ex(session_, bytes.data(), bytes.size(), &count) != 1) {
                return false;
            }
            bytes.remove_prefix(count);
        }
        return true;
    }
    std::string read_some() override {
        std::string bytes(65536, '\0');
        size_t count = 0;
        if (SSL_read_ex(session_, bytes.data(), bytes.size(), &count) != 1) {
            count = 0;
        }
        bytes.resize(count);
        return bytes;
    }

  private:
    SSL* session_;
};

std::string sni_of(std::string_view first_bytes) {
    const auto hello = proxy::parse_client_hello(std::as_bytes(std::span(first_bytes)));
    return hello && *hello ? (*hello)->server_name : std::string();
}

std::string field_of(const std::string& head, const std::string& name) {
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) {
        return {};
    }
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
}

// False: the body was cut off.
bool read_body(ByteStream& stream, std::string& buffer, Received& request) {
    if (const std::string length = field_of(request.head, "content-length"); !length.empty()) {
        const size_t size = std::stoul(length);
        request.body = stream.read_exactly(buffer, size);
        return request.body.size() == size;
    }
    if (field_of(request.head, "transfer-encoding") != "chunked") {
        return true;
    }
    for (;;) {
        const std::string line = stream.read_until(buffer, "\r\n");
        if (line.empty()) {
            return false;
        }
        const size_t size = std::stoul(line, nullptr, 16);
        if (size == 0) {
            break;
        }
        const std::string piece = stream.read_exactly(buffer, size);
        request.body += piece;
        if (piece.size() < size || stream.read_until(buffer, "\r\n").empty()) {
            return false;
        }
    }
    for (;;) {
        const std::string line = stream.read_until(buffer, "\r\n");
        if (line.size() <= 2) {
            return line.size() == 2;
        }
        request.trailers += line;
    }
}

std::string client_name(SSL* session) {
    char name[256] = {};
    if (X509* certificate = SSL_get0_peer_certificate(session); certificate != nullptr) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof name);
    }
    return name;
}

}  // namespace

std::string ByteStream::read_until(std::string& buffer, std::string_view mark) {
    for (;;) {
        if (const auto at = buffer.find(mark); at != std::string::npos) {
            std::string text = buffer.substr(0, at + mark.size());
            buffer.erase(0, text.size());
            return text;
        }
        const std::string more = read_some();
        if (more.empty()) {
            return {};
        }
        buffer += more;
    }
}

std::string ByteStream::read_exactly(std::string& buffer, size_t count) {
    while (buffer.size() < count) {
        const std::string more = read_some();
        if (more.empty()) {
            break;
        }
        buffer += more;
    }
    std::string text = buffer.substr(0, count);
    buffer.erase(0, text.size());
    return text;
}

std::string ok_answer(std::string_view body, std::string_view more_fields) {
    return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more_fields) + "\r\n" + std::string(body);
}

StandIn::StandIn(Handler handler, Options options)
    : handler_(std::move(handler)), options_(std::move(options)) {
    char name[] = "/tmp/anchorhold-stand-in-XXXXXX";
    folder_ = ::mkdtemp(name);
    authority_ = std::make_unique<supervisor::CertificateAuthority>(
        supervisor::CertificateAuthority::open(folder_ + "/ca").value());
    proxy::OwnKey key(EVP_EC_gen("P-256"));
    EVP_PKEY_up_ref(key.get());
    issuer_key_.reset(key.get());
    const std::string intermediate =
        authority_->issue("stand-in", x509::public_key_der(key.get()).value()).value();
    tls_ = std::make_unique<proxy::GuestTls>(
        proxy::GuestTls::create(intermediate, std::move(key)).value());
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size);
    ::listen(listener_.get(), 1024);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_loop(); });
}

StandIn::~StandIn() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_) {
            ::shutdown(fd, SHUT_RDWR);
        }
    }
    for (Worker& worker : workers_) {
        worker.thread.join();
    }
    std::filesystem::remove_all(folder_);
}

std::vector<Received> StandIn::received() {
    const std::lock_guard lock(mutex_);
    return received_;
}

void StandIn::accept_loop() {
    while (!stopping_) {
        OwnFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket.valid()) {
            continue;
        }
        ++connections_;
        std::erase_if(workers_, [](Worker& worker) {
            if (*worker.ended) {
                worker.thread.join();
            }
            return !worker.thread.joinable();
        });
        auto ended = std::make_shared<std::atomic<bool>>(false);
        workers_.push_back(
            {ended, std::thread([this, ended, fd = std::make_shared<OwnFd>(std::move(socket))] {
                 serve(std::move(*fd));
                 *ended = true;
             })});
    }
}

void StandIn::serve(OwnFd socket) {
    std::list<int>::iterator mine;
    {
        const std::lock_guard lock(mutex_);
        mine = open_.insert(open_.end(), socket.get());
    }
    if (options_.tls) {
        std::string name = options_.certificate_name;
        std::string first(4096, '\0');
        proxy::OwnSsl session;
        {
            // The name comes from the SNI unless a test wants another; GuestTls serves one thread
            // at a time.
            const std::lock_guard lock(tls_mutex_);
            if (name.empty()) {
                const ssize_t count = ::recv(socket.get(), first.data(), first.size(), MSG_PEEK);
                name = sni_of({first.data(), count > 0 ? static_cast<size_t>(count) : 0});
            }
            // Who hangs up before a whole hello named nothing that a leaf could be made for.
            if (auto made = tls_->session(name, options_.alpn)) {
                session = std::move(*made);
            }
            if (session && options_.validity == Validity::over) {
                use_expired_certificate(session.get());
            }
        }
        if (session) {
            SSL_set_fd(session.get(), socket.get());
        }
        if (session && !options_.client_root.empty()) {
            ask_for_certificate(session.get());
        }
        if (session && SSL_do_handshake(session.get()) == 1) {
            TlsBytes stream(session.get());
            options_.raw ? options_.raw(stream)
                         : serve_http(stream, name, client_name(session.get()));
            SSL_shutdown(session.get());
        }
        ERR_clear_error();
    } else {
        PlainBytes stream(socket.get());
        options_.raw ? options_.raw(stream) : serve_http(stream, {}, {});
    }
    const std::lock_guard lock(mutex_);
    open_.erase(mine);
}

// The leaf as it was, but for its last day.
void StandIn::use_expired_certificate(SSL* session) const {
    constexpr long kHour = 60L * 60;
    X509* leaf = X509_dup(SSL_get_certificate(session));
    X509_gmtime_adj(X509_getm_notAfter(leaf), -kHour);
    X509_sign(leaf, issuer_key_.get(), EVP_sha256());
    SSL_use_certificate(session, leaf);
    X509_free(leaf);
}

void StandIn::ask_for_certificate(SSL* session) const {
    const x509::OwnBio text(BIO_new_mem_buf(options_.client_root.data(),
                                            static_cast<int>(options_.client_root.size())));
    X509_STORE* store = X509_STORE_new();
    const x509::OwnCertificate root(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    X509_STORE_add_cert(store, root.get());
    SSL_set0_verify_cert_store(session, store);
    SSL_set_verify(session, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

void StandIn::serve_http(ByteStream& stream, const std::string& server_name,
                         const std::string& client_name) {
    std::string buffer;
    for (;;) {
        Received request;
        request.server_name = server_name;
        request.client_name = client_name;
        request.head = stream.read_until(buffer, "\r\n\r\n");
        if (request.head.empty()) {
            return;
        }
        if (!field_of(request.head, "expect").empty()) {
            stream.write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if (!read_body(stream, buffer, request)) {
            return;
        }
        if (options_.record == Record::requests) {
            const std::lock_guard lock(mutex_);
            received_.push_back(request);
        }
        if (!handler_(request, stream)) {
            return;
        }
    }
}

}  // namespace anchorhold::window_test
