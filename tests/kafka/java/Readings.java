import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Scanner;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.config.SaslConfigs;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.security.JaasContext;
import org.apache.zookeeper.server.command.FourLetterCommands;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * Prints how Java and Kafka read inputs. A line of standard input is KIND and the input in base64.
 * The line of standard output is the reading: fields in base64 with blanks between them. The first
 * field is `ok`, or `error` before the first cause. KIND is `properties`, `property` (a value of
 * sasl.jaas.config), `file` (a JAAS file), `server` (server.properties, as a broker checks it before
 * it starts), `zoo` (zoo.cfg: the system properties and the allowed commands) or `login` (a client's
 * file with bootstrap.servers: does it log in?).
 */
public class Readings {
    static final String[] CONTEXTS = {"KafkaServer", "KafkaClient", "Client", "Server"};

    public static void main(String[] arguments) throws Exception {
        Path file = Files.createTempFile("readings", ".conf");
        System.setProperty("java.security.auth.login.config", file.toString());
        Scanner input = new Scanner(System.in, StandardCharsets.US_ASCII);
        StringBuilder output = new StringBuilder();
        while (input.hasNextLine()) {
            String[] words = input.nextLine().split(" ", 2);
            byte[] bytes = Base64.getDecoder().decode(words[1]);
            List<String> fields = new ArrayList<>();
            try {
                fields.add("ok");
                switch (words[0]) {
                    case "properties" -> properties(bytes, fields);
                    case "property" -> property(new String(bytes, StandardCharsets.UTF_8), fields);
                    case "file" -> file(file, bytes, fields);
                    case "server" -> server(bytes);
                    case "login" -> login(bytes);
                    default -> zoo(file, bytes, fields);
                }
            } catch (Exception problem) {
                Throwable cause = problem;
                while (cause.getCause() != null)
                    cause = cause.getCause();
                fields = List.of("error", String.valueOf(cause.getMessage()));
            }
            for (String field : fields)
                output.append(Base64.getEncoder().encodeToString(utf8(field))).append(' ');
            output.append('\n');
        }
        System.out.print(output);
        Files.delete(file);
    }

    /** Returns UTF-8 with lone surrogates escaped, which getBytes would replace. */
    static byte[] utf8(String text) {
        StringBuilder escaped = new StringBuilder();
        for (char unit : text.toCharArray())
            escaped.append(unit < 128 && unit != '\\' ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        return escaped.toString().getBytes(StandardCharsets.US_ASCII);
    }

    static void properties(byte[] bytes, List<String> fields) throws Exception {
        Properties read = new Properties();
        read.load(new ByteArrayInputStream(bytes));
        for (Map.Entry<Object, Object> entry : new TreeMap<>(read).entrySet()) {
            fields.add((String) entry.getKey());
            fields.add((String) entry.getValue());
        }
    }

    static void property(String value, List<String> fields) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(SaslConfigs.SASL_JAAS_CONFIG, new Password(value.trim()));
        modules("KafkaClient", JaasContext.loadClientContext(settings).configurationEntries(), fields);
    }

    static void file(Path path, byte[] bytes, List<String> fields) throws Exception {
        Files.write(path, bytes);
        Configuration.setConfiguration(null);
        for (String name : CONTEXTS) {
            AppConfigurationEntry[] found = Configuration.getConfiguration().getAppConfigurationEntry(name);
            if (found != null)
                modules(name, List.of(found), fields);
        }
    }

    static void server(byte[] bytes) throws Exception {
        Properties read = new Properties();
        read.load(new ByteArrayInputStream(bytes));
        new kafka.server.KafkaConfig(read);
    }

    static void login(byte[] bytes) throws Exception {
        Properties read = new Properties();
        read.load(new ByteArrayInputStream(bytes));
        try (Admin admin = Admin.create(read)) {
            admin.describeCluster().nodes().get();
        }
    }

    static void zoo(Path path, byte[] bytes, List<String> fields) throws Exception {
        Files.write(path, bytes);
        Properties before = (Properties) System.getProperties().clone();
        FourLetterCommands.resetWhiteList();
        try {
            new QuorumPeerConfig().parse(path.toString());
            for (String name : new TreeSet<>(System.getProperties().stringPropertyNames()))
                if (!before.containsKey(name))
                    fields.add(name);
            for (String command : new String[] {"conf", "stat", "mntr", "envi"})
                if (FourLetterCommands.isEnabled(command))
                    fields.add(command);
        } finally {
            System.setProperties(before);
        }
    }

    static void modules(String context, List<AppConfigurationEntry> entries, List<String> fields) {
        for (AppConfigurationEntry entry : entries) {
            fields.add("[" + context + "]");
            fields.add(entry.getLoginModuleName());
            String flag = entry.getControlFlag().toString();
            fields.add(flag.substring(flag.indexOf(' ') + 1));
            for (Map.Entry<String, ?> option : new TreeMap<>(entry.getOptions()).entrySet()) {
                fields.add(option.getKey());
                fields.add((String) option.getValue());
            }
        }
    }
}
