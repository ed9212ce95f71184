<?php
// A PHP site whose middle is forbidden, as `php -S 127.0.0.1:PORT site.php`: what routers of frameworks do.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$path = rawurldecode(is_string($path) ? $path : $_SERVER['REQUEST_URI']);
$path = preg_replace('#/+#', '/', preg_replace('#^/index\.php(?=/)#i', '', $path));
header('Content-Type: text/plain');
if (preg_match('#^/admin(/|$)#', $path)) {
    echo getenv('SECRET');
} elseif (preg_match('#^/public(/|$)#', $path)) {
    echo getenv('OPEN');
} else {
    echo getenv('OUTSIDE');
}
