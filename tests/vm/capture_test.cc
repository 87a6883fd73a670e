// What the agent's network is inside the guest: names that resolve to nowhere, connections that go
// to the host or nowhere, loopback of its own. Without a policy there is no window to go through.
#include <gtest/gtest.h>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

const std::vector<std::string> kDebian{"--image", "debian", "--memory", "256M"};

Completed python(const std::string& program, const std::vector<std::string>& options = kDebian) {
    return run({"python3", "-c", "import socket\n" + program}, options);
}

TEST(Capture, names_resolve_to_synthetic_addresses_in_glibc) {
    const Completed done = python(
        "for family in (0, socket.AF_INET):\n"
        "    for flags in (0, socket.AI_ADDRCONFIG):\n"
        "        answers = socket.getaddrinfo('api.example.com', 443, family, socket.SOCK_STREAM, "
        "0,"
        " flags)\n"
        "        print(len(answers), answers[0][4][0].startswith('198.18.'))\n"
        "print(socket.gethostbyname('api.example.com') == "
        "socket.gethostbyname('API.Example.com'))\n"
        "print(socket.gethostbyname('localhost'))\n"
        "try:\n"
        "    socket.getaddrinfo('example.com', 443, socket.AF_INET6)\n"
        "except socket.gaierror as error:\n"
        "    print(error.errno == socket.EAI_NODATA or error.errno == socket.EAI_NONAME)\n");
    EXPECT_EQ(done.out, "1 True\n1 True\n1 True\n1 True\nTrue\n127.0.0.1\nTrue\n") << done.err;
}

TEST(Capture, names_resolve_in_busybox) {
    const Completed done =
        run({"sh", "-c", "nslookup api.example.com | tail -n 4; cat /etc/resolv.conf"});
    EXPECT_NE(done.out.find("Address: 198.18."), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("nameserver 127.0.0.1\n"), std::string::npos) << done.out;
}

TEST(Capture, connections_without_a_window_are_reset) {
    const Completed done = python(
        "for where in ('api.example.com', '192.0.2.1', '169.254.169.254', '2001:db8::1'):\n"
        "    try:\n"
        "        s = socket.create_connection((where, 443), timeout=60)\n"
        "        print(s.recv(1))\n"
        "    except ConnectionResetError:\n"
        "        print('reset')\n");
    EXPECT_EQ(done.out, "reset\nreset\nreset\nreset\n") << done.err;
}

TEST(Capture, agents_servers_on_loopback_work) {
    const Completed done = python(
        "for bound, dialled in (('127.0.0.1', '127.0.0.1'), ('0.0.0.0', '127.0.0.1'), ('::', "
        "'::1'),"
        " ('0.0.0.0', '198.18.0.1'), ('127.0.0.1', 'localhost')):\n"
        "    family = socket.AF_INET6 if ':' in bound else socket.AF_INET\n"
        "    server = socket.create_server((bound, 80), family=family)\n"
        "    client = socket.create_connection((dialled, 80), timeout=60)\n"
        "    peer, _ = server.accept()\n"
        "    peer.sendall(b'mine')\n"
        "    print(client.recv(4).decode())\n"
        "    client.close(); peer.close(); server.close()\n");
    EXPECT_EQ(done.out, "mine\nmine\nmine\nmine\nmine\n") << done.err;
}

TEST(Capture, udp_is_unreachable_at_once) {
    const Completed done = python(
        "for family, where in ((socket.AF_INET, '192.0.2.1'), (socket.AF_INET6, '2001:db8::1')):\n"
        "    s = socket.socket(family, socket.SOCK_DGRAM)\n"
        "    s.settimeout(60)\n"
        "    s.connect((where, 443))\n"
        "    s.send(b'x')\n"
        "    try:\n"
        "        s.recv(1)\n"
        "    except ConnectionRefusedError:\n"
        "        print('refused')\n");
    EXPECT_EQ(done.out, "refused\nrefused\n") << done.err;
}

TEST(Capture, agent_cannot_undo_it) {
    const std::string program =
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def outcome(call):\n"
        "    try:\n"
        "        return 'done' if call() != -1 else 'errno %d' % ctypes.get_errno()\n"
        "    except OSError as error:\n"
        "        return 'errno %d' % error.errno\n"
        "print('bpf', outcome(lambda: libc.syscall(321, 0, None, 0)))\n"
        "print('netns', outcome(lambda: libc.unshare(0x40000000)))\n"
        "route = bytes.fromhex('24000000' '1900' '0500' '00000000' '00000000'"
        " '0200000000fe0000' '00000000' '0800040001000000')\n"
        "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\n"
        "s.send(route)\n"
        "print('route', -int.from_bytes(s.recv(100)[16:20], 'little', signed=True))\n"
        "print('dns', outcome(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".bind(('127.0.0.1', 53))))\n";
    for (const char* user : {"agent", "root"}) {
        std::vector<std::string> options = kDebian;
        options.insert(options.end(), {"--user", user});
        const Completed done = python(program, options);
        EXPECT_EQ(done.out, "bpf errno 1\nnetns errno 1\nroute 1\ndns errno 98\n")
            << user << done.err;
    }
}

}  // namespace
}  // namespace anchorhold::vm_test
