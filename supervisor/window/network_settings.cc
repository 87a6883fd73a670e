// Every key is known or refused.
#include "supervisor/window/network_settings.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "base/sys.h"
#include "policy/host_name.h"
#include "policy/yaml_tree.h"

namespace anchorhold::supervisor {
namespace {

using policy::YamlNode;

class Reader {
  public:
    explicit Reader(std::string_view file) : file_(file) {}

    [[nodiscard]] tl::unexpected<Error> refuse(const YamlNode& node, std::string_view what) const {
        return fail(fmt::format("{}:{}:{}: {}", file_, node.place.line, node.place.column, what));
    }

    Result<std::string> text(const YamlNode& node) const {
        if (node.kind != YamlNode::Kind::scalar || node.text.empty()) {
            return refuse(node, "a text is wanted here");
        }
        return node.text;
    }

    // "name:port" or "[v6]:port".
    Result<policy::Authority> endpoint(const YamlNode& node) const {
        const std::string given = ANCHORHOLD_TRY(text(node));
        auto authority = policy::parse_authority(given);
        if (!authority) {
            return refuse(node, authority.error().message);
        }
        return authority;
    }

    Status proxies(const YamlNode& list, proto::DialerSettings& settings) const {
        if (list.kind != YamlNode::Kind::sequence) {
            return refuse(list, "a list of proxies is wanted here");
        }
        for (const YamlNode& item : list.items) {
            proto::UpstreamProxy& proxy = *settings.add_proxies();
            for (const auto& [key, value] : item.members) {
                if (key.text == "hosts") {
                    for (const YamlNode& host : value.items) {
                        proxy.add_hosts(ANCHORHOLD_TRY(text(host)));
                    }
                } else if (key.text == "proxy") {
                    const policy::Authority where = ANCHORHOLD_TRY(endpoint(value));
                    proxy.set_host(where.host);
                    proxy.set_port(where.port);
                } else if (key.text == "authorization_file") {
                    proxy.set_authorization(ANCHORHOLD_TRY(private_file(value)));
                } else {
                    return refuse(key, "unknown key; known: hosts, proxy, authorization_file");
                }
            }
            if (proxy.hosts().empty() || proxy.host().empty() || proxy.port() == 0) {
                return refuse(item, "a proxy wants hosts and proxy: NAME:PORT");
            }
        }
        return {};
    }

    Status hosts(const YamlNode& map, proto::DialerSettings& settings) const {
        if (map.kind != YamlNode::Kind::mapping) {
            return refuse(map, "NAME: ADDRESS[:PORT] is wanted here");
        }
        for (const auto& [key, value] : map.members) {
            const auto name = policy::strict_host_name(key.text);
            if (!name) {
                return refuse(key, name.error().message);
            }
            const policy::Authority where = ANCHORHOLD_TRY(endpoint(value));
            unsigned char bytes[16];
            proto::HostOverride& entry = *settings.add_overrides();
            entry.set_host(*name);
            entry.set_port(where.port);
            if (::inet_pton(AF_INET, where.host.c_str(), bytes) == 1) {
                entry.set_address(bytes, 4);
            } else if (::inet_pton(AF_INET6, where.host.c_str(), bytes) == 1) {
                entry.set_address(bytes, 16);
            } else {
                return refuse(value, "an address is wanted here, not a name");
            }
        }
        return {};
    }

    Result<std::string> file(const YamlNode& node) const {
        const std::string path = ANCHORHOLD_TRY(text(node));
        auto content = sys::read_file(path);
        if (!content) {
            return refuse(node, content.error().message);
        }
        return content;
    }

  private:
    Result<std::string> private_file(const YamlNode& node) const {
        const std::string path = ANCHORHOLD_TRY(text(node));
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
            return refuse(node, path + " may be read by others than its owner: chmod 600 it");
        }
        std::string content = ANCHORHOLD_TRY(file(node));
        while (!content.empty() && (content.back() == '\n' || content.back() == '\r')) {
            content.pop_back();
        }
        return content;
    }

    std::string_view file_;
};

}  // namespace

Result<NetworkSettings> parse_network_settings(std::string_view text, std::string_view file) {
    const Reader reader(file);
    auto tree = policy::parse_yaml(text);
    if (!tree) {
        return fail(fmt::format("{}:{}", file, tree.error().message));
    }
    NetworkSettings settings;
    if (tree->kind != YamlNode::Kind::mapping) {
        return reader.refuse(*tree, "a mapping is wanted here");
    }
    bool versioned = false;
    for (const auto& [key, value] : tree->members) {
        if (key.text == "version") {
            versioned = value.text == "1";
        } else if (key.text == "upstream_proxies") {
            ANCHORHOLD_TRY(reader.proxies(value, settings.dialer));
        } else if (key.text == "hosts") {
            ANCHORHOLD_TRY(reader.hosts(value, settings.dialer));
        } else if (key.text == "roots") {
            settings.upstream_roots = ANCHORHOLD_TRY(reader.file(value));
        } else {
            return reader.refuse(key,
                                 "unknown key; known: version, upstream_proxies, hosts, roots");
        }
    }
    if (!versioned) {
        return reader.refuse(*tree, "version: 1 is wanted");
    }
    return settings;
}

Result<NetworkSettings> load_network_settings() {
    std::string folder;
    if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config == '/') {
        folder = config;
    } else if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        folder = std::string(home) + "/.config";
    } else {
        return NetworkSettings();
    }
    const std::string path = folder + "/anchorhold/network.yaml";
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
        return NetworkSettings();
    }
    const std::string text = ANCHORHOLD_TRY(sys::read_file(path));
    return parse_network_settings(text, path);
}

}  // namespace anchorhold::supervisor
