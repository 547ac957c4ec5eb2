<?php
header('Content-Type: application/octet-stream');
header('Content-Length: 1048576');
echo str_repeat('a', 1048576);
