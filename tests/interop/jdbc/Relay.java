import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Stands between the driver and the server, and can cut their connections. */
class Relay implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final List<Socket> sockets = new ArrayList<>();
    private final String url;

    /** A relay to the server of a JDBC URL. */
    Relay(String url) throws IOException {
        Matcher address = Pattern.compile("//([^:/]+):(\\d+)").matcher(url);
        if (!address.find()) throw new IllegalArgumentException(url);
        this.url = address.replaceFirst("//127.0.0.1:" + listener.getLocalPort());
        background(() -> {
            while (true) {
                Socket client = listener.accept();
                Socket server = new Socket(address.group(1), Integer.parseInt(address.group(2)));
                keep(client, server);
                background(() -> copy(client, server));
                background(() -> copy(server, client));
            }
        });
    }

    /** The JDBC URL that leads through the relay. */
    String url() {
        return url;
    }

    private synchronized void keep(Socket client, Socket server) {
        sockets.add(client);
        sockets.add(server);
    }

    /** Cuts all connections. New ones are relayed. */
    synchronized void cut() throws IOException {
        for (Socket socket : sockets) socket.close();
        sockets.clear();
    }

    /** Cuts all connections. New ones are refused. */
    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }

    private static void copy(Socket from, Socket to) throws IOException {
        try (to) {
            from.getInputStream().transferTo(to.getOutputStream());
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void background(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException cut) {
                // A socket was closed.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
