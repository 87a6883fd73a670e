// How this host reaches the outside, from network.yaml: upstream proxies, names with fixed
// addresses, further roots.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/dialer.pb.h"

namespace anchorhold::supervisor {

struct NetworkSettings {
    proto::DialerSettings dialer;
    std::string upstream_roots;  // PEM
};

// version: 1
// upstream_proxies:
//   - hosts: ["*.example.com"]            # names, "*.suffix" or "*"; the first that matches is
//   used
//     proxy: proxy.example.net:3128
//     authorization_file: /etc/…          # the Proxy-Authorization value; readable by its owner
//     alone
// hosts:
//   api.example.com: 127.0.0.1:8443       # not resolved; the address still has to be allowed
// roots: /etc/…/internal-ca.pem
//
// Errors are one line that begins with "file:line:column: ".
Result<NetworkSettings> parse_network_settings(std::string_view text, std::string_view file);

// $XDG_CONFIG_HOME/anchorhold/network.yaml or its place below $HOME; without one, nothing is set.
Result<NetworkSettings> load_network_settings();

}  // namespace anchorhold::supervisor
