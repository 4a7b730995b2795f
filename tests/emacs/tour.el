;;; tour.el --- the adapter driven by dape  -*- lexical-binding: t; -*-

;; With the configuration of docs/editors.md (PAGE), in batch mode. `dap-windbg' is the
;; first in PATH; TOUR is the compiled tests/dap/testdata/tour.c, TOUR_SOURCE its source,
;; GDBSERVER the connection string of a gdbserver over it. DAPE has dape.el.

(add-to-list 'load-path (getenv "DAPE"))
(setq dape-default-breakpoints-file nil jsonrpc-default-request-timeout 30)

(with-temp-buffer
  (insert-file-contents (getenv "PAGE"))
  (re-search-forward "^```elisp\n")
  (let ((start (point)))
    (re-search-forward "^```$")
    (narrow-to-region start (match-beginning 0))
    (eval-buffer)))

(defvar program (getenv "TOUR"))
(defvar source (getenv "TOUR_SOURCE"))
(defvar patience 30)
(setq dape-ui-debounce-time 0.01 dape-memory-page-size 4) ; hexl cannot put every byte back in batch mode
(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil)
(fset 'yes-or-no-p (lambda (&rest _) t))

(defun say (format &rest args) (princ (concat (apply #'format format args) "\n")))

(defmacro wait-for (what form)
  "Wait until FORM is not nil, and return it."
  `(let (value (limit (+ (float-time) patience)))
     (while (and (not (setq value ,form)) (< (float-time) limit))
       (accept-process-output nil 0.01))
     (unless value (error "waiting for %s" ,what))
     value))

(defmacro check (what form)
  "FORM must not be nil."
  `(if ,form (say "ok %s" ,what) (error "%s: %S is nil" ,what ',form)))

(defun line (word)
  "The line of the tour whose comment is WORD."
  (with-current-buffer (find-file-noselect source)
    (save-excursion
      (goto-char (point-min))
      (search-forward (format "/* %s */" word))
      (line-number-at-pos))))

(defun breakpoint (word)
  (with-current-buffer (find-file-noselect source)
    (save-excursion
      (goto-char (point-min))
      (forward-line (1- (line word)))
      (dape-breakpoint-toggle))))

(defun begin (key &rest options)
  (with-current-buffer (find-file-noselect source)
    (dape (dape--config-eval key options))))

(defun conn () (dape--live-connection 'last t))
(defun frame () (dape--current-stack-frame (dape--live-connection 'stopped t)))

(defun stopped (where)
  "Wait until the program is stopped in line WHERE and all questions are answered."
  (wait-for (format "a stop in line %s" where)
            (and (dape--live-connection 'stopped t)
                 (equal (plist-get (frame) :line) where)
                 (zerop (jsonrpc-continuation-count (conn))))))

(defun ask (command arguments)
  "The body of the answer to COMMAND."
  (let (done body failed)
    (dape-request (conn) command arguments
                  (lambda (b e) (setq done t body b failed e)))
    (wait-for command done)
    (when failed (error "%s: %s" command failed))
    body))

(defun value (expression context)
  (plist-get (ask :evaluate (list :expression expression :context context :frameId (plist-get (frame) :id))) :result))

(defun gone () (wait-for "the end of the session" (not (conn))))

(defun launch ()
  (breakpoint "in twice")
  (begin 'dap-windbg :program program :args ["spin"])
  (stopped (line "in twice"))
  (check "the file" (equal (plist-get (plist-get (frame) :source) :path) source))
  (check "the scopes" (wait-for "scopes" (plist-get (frame) :scopes)))
  (dape-next (conn))
  (stopped (1+ (line "in twice")))
  (dape-step-out (conn))
  (stopped (line "loop"))
  (check "k" (string-search "tour!main" (value "k" "repl")))
  (check "a watch" (equal (value "s.corner[1].y" "watch") "4"))
  ;; memory as dape-memory shows and saves it
  (let ((place (plist-get (ask :evaluate (list :expression "&total" :context "watch" :frameId (plist-get (frame) :id))) :memoryReference)))
    (with-current-buffer (progn (dape-memory place) (window-buffer))
      (wait-for "memory" (> (buffer-size) 0))
      (let ((inhibit-read-only t))
        (hexl-goto-address 0)
        (hexl-insert-char ?\x2a 1))
      (save-buffer)
      (wait-for "the write" (not (buffer-modified-p))))
    (check "what was written" (wait-for "the value" (equal (value "total" "watch") "42"))))
  (dape-disassemble (plist-get (frame) :instructionPointerReference))
  (check "disassembly" (wait-for "disassembly"
                                 (with-current-buffer (get-buffer-create "*dape-disassemble*")
                                   (string-search "twice" (buffer-string)))))
  (dape-restart (conn))
  (stopped (line "in twice"))
  (check "the first call again" (equal (value "n" "watch") "0"))
  (dape-breakpoint-remove-all)
  (dape-continue (conn))
  (wait-for "the program to run" (not (dape--live-connection 'stopped t)))
  (dape-pause (conn))
  (wait-for "the pause" (dape--live-connection 'stopped t))
  (dape-quit)
  (gone)
  (say "ok launch"))

(defun attach ()
  (let* ((process (make-process :name "victim" :command (list program "spin") :connection-type 'pipe))
         (pid (process-id process)))
    (wait-for "the program" (equal (file-truename (format "/proc/%d/exe" pid)) program))
    (breakpoint "ticking")
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_prompt rows &rest _)
                 (car (seq-find (lambda (row) (eql (cdr row) pid)) rows)))))
      (begin 'dap-windbg-attach))
    (stopped (line "ticking"))
    (check "the function" (equal (plist-get (frame) :name) "tick"))
    (dape-breakpoint-remove-all)
    (dape-disconnect-quit (conn))
    (gone)
    (wait-for "the program to run on"
              (with-temp-buffer
                (insert-file-contents (format "/proc/%d/status" pid))
                (and (string-match-p "TracerPid:\t0" (buffer-string)) (string-match-p "State:\t[SR]" (buffer-string)))))
    (delete-process process)
    (say "ok attach")))

(defun gdbserver ()
  (breakpoint "print")
  (begin 'dap-windbg-gdbserver :connection (getenv "GDBSERVER"))
  (stopped (line "print"))
  (check "a local" (equal (value "total" "watch") "90"))
  (dape-breakpoint-remove-all)
  (dape-continue (conn))
  (gone)
  (say "ok gdbserver"))

(condition-case err
    (progn (launch) (attach) (gdbserver))
  (error (say "%s" (error-message-string err))
         (dolist (name '("*dape-repl*" "*Messages*"))
           (when (get-buffer name) (say "%s:\n%s" name (with-current-buffer name (buffer-string)))))
         (kill-emacs 1)))
(kill-emacs 0)
