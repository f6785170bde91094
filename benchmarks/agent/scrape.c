/* Asks a blackbox_exporter for many probes at once, at little cost of its own.
 *
 *     scrape PORT MODULE TARGETS TOTAL RATE
 *
 * TARGETS holds "address port" lines; probe i of TOTAL asks http://127.0.0.1:PORT/probe?module=MODULE for target
 * i modulo their number, i / RATE seconds after the start. Prints a line for each answer: address:port,
 * probe_success and probe_duration_seconds. A probe that is not answered 10 s after the last start is left out. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, PAGE = 16384, EVENTS = 256 };
struct scrape { int number; size_t length; char *text; };
static struct scrape *by_descriptor[MOST];
static char (*target)[80];

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double value(const char *text, const char *name) {
    char line[80];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(text, line);
    return found ? atof(found + strlen(line)) : -1;
}

int main(int count, char **argument) {
    if (count != 6) return 2;
    int port = atoi(argument[1]), targets = 0;
    const char *module = argument[2];
    target = calloc(MOST, sizeof *target);
    FILE *file = fopen(argument[3], "r");
    char address[64];
    int target_port;
    while (file && targets < MOST && fscanf(file, "%63s %d", address, &target_port) == 2)
        snprintf(target[targets++], sizeof *target, "%s:%d", address, target_port);
    if (!targets) return 2;
    long total = atol(argument[4]), started = 0, open = 0;
    double rate = atof(argument[5]), begin = seconds(), last = begin + total / rate + 10;
    struct rlimit files = {MOST, MOST};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in exporter = {.sin_family = AF_INET, .sin_port = htons(port)};
    exporter.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int loop = epoll_create1(0);
    struct epoll_event ready[EVENTS];
    while ((started < total || open) && seconds() < last) {
        double now = seconds();
        for (int batch = 0; batch < 32 && started < total && begin + started / rate <= now; batch++) {
            int connection = socket(AF_INET, SOCK_STREAM, 0);
            if (connection < 0 || connection >= MOST) { started++; continue; }
            char request[256];
            int length = snprintf(request, sizeof request,
                                  "GET /probe?module=%s&target=%s HTTP/1.0\r\nConnection: close\r\n\r\n", module,
                                  target[started % targets]);
            /* On loopback a connect is answered at once, so it need not be waited for in the loop. */
            if (connect(connection, (struct sockaddr *)&exporter, sizeof exporter) ||
                send(connection, request, length, MSG_NOSIGNAL) != length) {
                close(connection);
                started++;
                continue;
            }
            struct scrape *scrape = malloc(sizeof *scrape);
            *scrape = (struct scrape){started++, 0, malloc(PAGE)};
            by_descriptor[connection] = scrape;
            struct epoll_event wanted = {.events = EPOLLIN, .data.fd = connection};
            epoll_ctl(loop, EPOLL_CTL_ADD, connection, &wanted);
            open++;
        }
        int found = epoll_wait(loop, ready, EVENTS, started < total ? 0 : 100);
        if (!found && started < total) {
            struct timespec nap = {0, 100000};
            nanosleep(&nap, NULL);
        }
        for (int i = 0; i < found; i++) {
            int connection = ready[i].data.fd;
            struct scrape *scrape = by_descriptor[connection];
            ssize_t got = recv(connection, scrape->text + scrape->length, PAGE - 1 - scrape->length, MSG_DONTWAIT);
            if (got > 0) {
                scrape->length += got;
                continue;
            }
            if (got < 0 && errno == EAGAIN) continue;
            scrape->text[scrape->length] = 0;
            printf("%s %.0f %.9f\n", target[scrape->number % targets], value(scrape->text, "probe_success"),
                   value(scrape->text, "probe_duration_seconds"));
            free(scrape->text);
            free(scrape);
            close(connection);
            open--;
        }
    }
    return 0;
}
