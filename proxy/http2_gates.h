// Exchanges behind the HTTP/2 relay's interface.
#pragma once

#include "proxy/connection.h"
#include "proxy/http2/gate.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

class ExchangeGates final : public http2::RequestGates {
  public:
    ExchangeGates(Window& window, Connection& connection)
        : window_(window), connection_(connection) {}

    std::unique_ptr<http2::RequestGate> begin(RequestHead head) override;
    void violation(std::string_view detail) override;

  private:
    Window& window_;
    Connection& connection_;
};

}  // namespace anchorhold::proxy
