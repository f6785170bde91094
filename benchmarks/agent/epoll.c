/* The least a TCP prober can do: one epoll loop in C, the measure of what an agent in Python costs.
 *
 *     epoll TARGETS TOTAL IN_FLIGHT
 *
 * TARGETS holds "address port" lines (IPv4); TOTAL connects go round them, at most IN_FLIGHT at once and
 * otherwise as fast as they will go. Each is closed with RST as soon as the kernel has its round trip.
 * Prints: connects answered, connects failed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_TARGETS = 65536, EVENTS = 256 };
static struct sockaddr_in target[MOST_TARGETS];

int main(int count, char **argument) {
    if (count != 4) return 2;
    FILE *file = fopen(argument[1], "r");
    char address[64];
    int port, targets = 0;
    while (file && targets < MOST_TARGETS && fscanf(file, "%63s %d", address, &port) == 2) {
        target[targets].sin_family = AF_INET;
        target[targets].sin_port = htons(port);
        if (inet_pton(AF_INET, address, &target[targets++].sin_addr) != 1) return 2;
    }
    if (!targets) return 2;
    long total = atol(argument[2]), most = atol(argument[3]);
    long started = 0, in_flight = 0, answered = 0, failed = 0;
    struct rlimit files = {most + 64, most + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    int loop = epoll_create1(0);
    struct epoll_event ready[EVENTS];
    const struct linger reset = {1, 0};
    while (started < total || in_flight) {
        for (int batch = 0; batch < 32 && started < total && in_flight < most; batch++, started++) {
            int connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            if (connection < 0) { failed++; continue; }
            setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            const struct sockaddr_in *to = &target[started % targets];
            if (connect(connection, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) {
                close(connection);
                failed++;
                continue;
            }
            struct epoll_event wanted = {.events = EPOLLOUT, .data.fd = connection};
            epoll_ctl(loop, EPOLL_CTL_ADD, connection, &wanted);
            in_flight++;
        }
        int wait = started < total && in_flight < most ? 0 : 1000;
        int found = epoll_wait(loop, ready, EVENTS, wait);
        for (int i = 0; i < found; i++) {
            struct tcp_info info;
            socklen_t size = sizeof info;
            int ok = !getsockopt(ready[i].data.fd, IPPROTO_TCP, TCP_INFO, &info, &size) &&
                     info.tcpi_state == TCP_ESTABLISHED && info.tcpi_rtt > 0;
            ok ? answered++ : failed++;
            close(ready[i].data.fd);
            in_flight--;
        }
    }
    printf("%ld %ld\n", answered, failed);
    return 0;
}
