// An upstream of the tests' own: HTTPS/1.1 (or plain HTTP) on loopback, one thread a connection,
// everything it received on record.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "proxy/tls/guest_tls.h"
#include "supervisor/window/certificate_authority.h"

namespace anchorhold::window_test {

struct Received {
    std::string head;  // with its empty line
    std::string body;  // framing taken off; whole, or the request is not on record
    std::string trailers;
    std::string server_name;
    std::string
        client_name;  // the common name in the client's certificate, where one was asked for
};

// A connection that the peer may send to and read from; TLS or not.
class ByteStream {
  public:
    virtual ~ByteStream() = default;
    virtual bool write(std::string_view bytes) = 0;
    virtual std::string read_some() = 0;  // empty at the end
    std::string read_until(std::string& buffer, std::string_view mark);
    std::string read_exactly(std::string& buffer, size_t count);
};

class StandIn {
  public:
    // Writes the whole answer. False: the connection ends after it.
    using Handler = std::function<bool(const Received&, ByteStream&)>;
    enum class Validity { now, over };
    enum class Record { requests, nothing };
    struct Options {
        bool tls = true;
        std::string certificate_name{};  // empty: whatever SNI asks for
        Validity validity = Validity::now;
        std::string alpn = "http/1.1";
        // Instead of HTTP: the whole connection.
        std::function<void(ByteStream&)> raw{};
        Record record = Record::requests;
        // PEM: only clients whose certificate was signed by this one are served.
        std::string client_root{};
    };

    StandIn(Handler handler, Options options);
    explicit StandIn(Handler handler) : StandIn(std::move(handler), Options()) {}
    ~StandIn();

    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] const std::string& root_pem() const { return authority_->root_pem(); }
    [[nodiscard]] std::vector<Received> received();
    [[nodiscard]] size_t connections() const { return connections_; }

  private:
    void accept_loop();
    void serve(OwnFd socket);
    void use_expired_certificate(SSL* session) const;
    void ask_for_certificate(SSL* session) const;
    void serve_http(ByteStream& stream, const std::string& server_name,
                    const std::string& client_name);

    Handler handler_;
    Options options_;
    std::string folder_;
    std::unique_ptr<supervisor::CertificateAuthority> authority_;
    proxy::OwnKey issuer_key_;
    std::unique_ptr<proxy::GuestTls> tls_;
    std::mutex tls_mutex_;
    OwnFd listener_;
    uint16_t port_ = 0;
    std::atomic<size_t> connections_ = 0;
    std::atomic<bool> stopping_ = false;
    std::mutex mutex_;
    std::vector<Received> received_;
    std::list<int> open_;
    std::thread acceptor_;
    struct Worker {
        std::shared_ptr<std::atomic<bool>> ended;
        std::thread thread;
    };
    std::list<Worker> workers_;
};

// "200 OK" with a body and its length.
std::string ok_answer(std::string_view body, std::string_view more_fields = {});

}  // namespace anchorhold::window_test
