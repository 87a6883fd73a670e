// Waits for the program's one line, then reads what it wrote.
#include "vm/stand_in_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/sys.h"
#include "vm/window_home.h"

namespace anchorhold::vm_test {

StandInProcess::StandInProcess(const std::vector<std::string>& services) {
    char name[] = "/tmp/anchorhold-stand-in-XXXXXX";
    folder_ = ::mkdtemp(name);
    SpawnRequest request;
    request.path = clients_folder() / "in-image";
    request.arguments = {"in-image", library_path() + "/images/clients.erofs", folder_.string(),
                         "python3", "/tmp/programs/stand_in.py"};
    request.arguments.insert(request.arguments.end(), services.begin(), services.end());
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    const OwnFd nothing = sys::open("/dev/null", O_RDONLY).value();
    sys::Pipe out = sys::pipe().value();
    request.descriptors = {{nothing.get(), 0}, {out.write_end.get(), 1}, {out.write_end.get(), 2}};
    child_ = spawn(request).value();
    out.write_end.reset();
    std::string said;
    while (said.find("ready\n") == std::string::npos) {
        pollfd readable{out.read_end.get(), POLLIN, 0};
        std::byte buffer[4096];
        size_t count = 0;
        if (::poll(&readable, 1, std::chrono::milliseconds(kPatience).count()) == 1) {
            count = sys::read_some(out.read_end.get(), buffer).value_or(0).value_or(0);
        }
        if (count == 0) {
            ADD_FAILURE() << "no stand-in: " << said;
            return;
        }
        said.append(reinterpret_cast<const char*>(buffer), count);
    }
    std::istringstream ready(file("ready"));
    std::string service;
    for (uint16_t port = 0; ready >> service >> port;) {
        ports_[service] = port;
    }
}

StandInProcess::~StandInProcess() {
    child_ = Child();
    std::error_code failed;
    std::filesystem::remove_all(folder_, failed);
}

uint16_t StandInProcess::port(const std::string& service) const {
    const auto found = ports_.find(service);
    return found == ports_.end() ? uint16_t{0} : found->second;
}

std::string StandInProcess::file(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / "tmp" / name).rdbuf();
    return text.str();
}

}  // namespace anchorhold::vm_test
