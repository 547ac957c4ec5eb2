<?php
$octets = (string) strlen(file_get_contents('php://input'));
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($octets));
echo $octets;
