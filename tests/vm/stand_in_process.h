// The upstreams of tests/clients/stand_in.py, run from the `clients` image on this host's loopback.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/spawn.h"

namespace anchorhold::vm_test {

// Needs root, for the image's mount. Killed and unmounted with the object.
class StandInProcess {
  public:
    // Any of "https", "http2", "grpc", "websocket". Returns when all of them listen; a failure is
    // the test's, with what the program said.
    explicit StandInProcess(const std::vector<std::string>& services);
    ~StandInProcess();
    StandInProcess(const StandInProcess&) = delete;
    StandInProcess& operator=(const StandInProcess&) = delete;

    [[nodiscard]] uint16_t port(const std::string& service) const;
    [[nodiscard]] std::string root_pem() const { return file("root.pem"); }
    // One line a request, with the credential it came with.
    [[nodiscard]] std::string requests() const { return file("requests.log"); }
    // Every header that nghttpd received.
    [[nodiscard]] std::string http2_log() const { return file("http2.log"); }

  private:
    [[nodiscard]] std::string file(const std::string& name) const;

    std::filesystem::path folder_;
    std::map<std::string, uint16_t> ports_;
    Child child_;
};

}  // namespace anchorhold::vm_test
