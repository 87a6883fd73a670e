// A TLS session over a plain stream.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>

#include "base/fd.h"
#include "proxy/duplex.h"
#include "proxy/plain_stream.h"
#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

// OpenSSL reads and writes the socket itself; its 16 KiB buffers exist only while a record is on
// its way.
class TlsStream final : public Duplex {
  public:
    // `session` is set up for one role (SSL_set_accept_state, SSL_set_connect_state) and has no BIO
    // yet.
    static Result<std::unique_ptr<TlsStream>> create(std::unique_ptr<PlainStream> below,
                                                     OwnSsl session);
    ~TlsStream() override;

    // Runs the handshake to its end.
    asio::awaitable<Status> handshake();

    IoResult try_read(std::span<std::byte> buffer) override;
    IoResult try_write(std::span<const std::byte> bytes) override;
    // All records in one piece: a peer that is fast is woken once, not for each.
    asio::awaitable<Status> write_bulk(std::span<const std::byte> bytes,
                                       std::span<std::byte> scratch) override;
    asio::awaitable<void> wait_readable() override;
    asio::awaitable<void> wait_writable() override;
    void finish_writing() override;
    void cancel() override;
    void reset() override;

    // The protocol both sides chose, or empty.
    [[nodiscard]] std::string alpn() const;
    [[nodiscard]] SSL* session() { return session_.get(); }

  private:
    friend struct StreamBio;
    TlsStream(std::unique_ptr<PlainStream> below, OwnSsl session);
    IoResult outcome(int returned, size_t count);

    std::unique_ptr<PlainStream> below_;
    OwnSsl session_;
    std::span<std::byte> gathering_;  // where records go instead of the socket, during write_bulk()
    size_t gathered_ = 0;
};

}  // namespace anchorhold::proxy
