// A limit on how long a stream may take for its next step.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <utility>

#include "proxy/duplex.h"

namespace anchorhold::proxy {

// Cancels a stream whose other end takes too long. The timer's handler may still be queued when
// everything else is gone.
class Deadline {
  public:
    explicit Deadline(asio::io_context& context) : timer_(context) {}
    ~Deadline() { disarm(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void arm(Duplex& stream, std::chrono::seconds patience) {
        disarm();
        target_ = std::make_shared<Duplex*>(&stream);
        timer_.expires_after(patience);
        timer_.async_wait([target = target_](const boost::system::error_code& cancelled) {
            if (!cancelled && *target != nullptr) {
                (*target)->cancel();
            }
        });
    }
    void disarm() {
        if (target_) {
            *std::exchange(target_, nullptr) = nullptr;
            timer_.cancel();
        }
    }

  private:
    asio::steady_timer timer_;
    std::shared_ptr<Duplex*> target_;
};

}  // namespace anchorhold::proxy
